/** What every engine of tensors must do, as checks that its author can run. */
import { inspect } from 'node:util'
import { InvalidOptionError, isOutriggerError } from '../core/errors.js'
import { optionsObject, requiredFunction } from '../core/options.js'
import { isRowFailure } from '../core/rows.js'
import type { TensorCall, TensorEngine, TensorModel } from '../models/engines/engine.js'
import { tensorEngine } from '../models/engines/tensor-rows.js'
import { sha256Hex } from '../models/manifest/digest.js'
import type { ModelManifest, ModelSignature } from '../models/manifest/manifest.js'
import { ModelFiles } from '../models/store/model-files.js'
import type { DType, Tensor, Tensors } from '../schema/tensor.js'

/** The files of a version by path, as `publish` takes them. */
export type TestModelFiles = Readonly<Record<string, Uint8Array | string>>

/** The models that the checks run, in the engine's own format. What it cannot hold is left out, and its checks with it. */
export interface EngineTestModels {
  /** `x`: float32 `[any, 3]` → `y`: float32 `[any, 2]`: `y = x · [[1, 2], [3, 4], [5, 6]] + [0.5, -0.5]`. */
  readonly affine: TestModelFiles
  /** The same, with a batch of 4 that is fixed. */
  readonly fixedBatch?: TestModelFiles
  /** `a`, `b`: float32 `[any, 2]` → `sum = a + b` and `difference = a - b`. */
  readonly twoByTwo?: TestModelFiles
  /** `x`: float32 `[any, any, 2]` → `y`: float32 `[any, 2]`: the sum over the dimension in the middle. */
  readonly sequence?: TestModelFiles
  /** Of a type, one input of `[any, 2]` → one output that is the same. */
  readonly identity?: Partial<Readonly<Record<DType, TestModelFiles>>>
}

/** The names of the checks, for `except`. */
export type EngineCheckName =
  | 'a model says truthfully what it takes and gives'
  | 'a model says what it holds and where it computes'
  | 'answers are right, and of the type that it says'
  | 'a batch is its rows, in their order'
  | 'a batch of no rows gives none, or is refused with a code'
  | 'a fixed batch is respected'
  | 'several inputs and outputs go by their names'
  | 'sizes that are free may differ from run to run'
  | 'values of every type pass exactly'
  | 'an input of another shape or type, or none, is refused with a code, and the next run is right'
  | 'inputs are not changed, and may be parts of larger buffers'
  | 'outputs are the caller\'s own'
  | 'runs at once do not mix'
  | 'a call that is aborted settles, and the next run is right'
  | 'two models of one engine are apart'
  | 'files that are cut, empty, gone or no model are refused with a code'
  | 'the files are left as they are'
  | 'a model that is disposed refuses with ERR_OUTRIGGER_CLOSED, and may be disposed again'
  | 'disposing while a run is under way harms neither'
  | 'rows go through it as through any engine'
  | 'nothing is left behind'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface EngineCheck {
  readonly name: EngineCheckName
  run(): Promise<void>
}

/** What {@link engineConformance} needs to know about an engine. */
export interface EngineConformanceOptions {
  readonly models: EngineTestModels
  /** How far numbers may be off, relative to the larger of 1 and the number. @default 1e-5 */
  readonly tolerance?: number
  /** Counts what must come back: tensors, sessions, connections. Without it nobody looks whether something is left behind. */
  readonly held?: () => number | Promise<number>
  /** Checks that do not apply, each with the reason. */
  readonly except?: Partial<Readonly<Record<EngineCheckName, string>>>
}

const callOf = (signal: AbortSignal, remainingMs = Infinity): TensorCall => ({ signal, remainingMs: () => remainingMs, isIdempotent: true })
const call = callOf(new AbortController().signal)

const float32 = (shape: readonly number[], ...values: number[]): Tensor => ({ dtype: 'float32', shape, data: Float32Array.from(values) })
const spec = (name: string, shape: readonly (number | null)[], dtype = 'float32'): ModelSignature['inputs'][number] => ({ name, dtype, shape })

/** What the manifest of each model says. */
const signatures = {
  affine: { inputs: [spec('x', [null, 3])], outputs: [spec('y', [null, 2])] },
  fixedBatch: { inputs: [spec('x', [4, 3])], outputs: [spec('y', [4, 2])] },
  twoByTwo: { inputs: [spec('a', [null, 2]), spec('b', [null, 2])], outputs: [spec('sum', [null, 2]), spec('difference', [null, 2])] },
  sequence: { inputs: [spec('x', [null, null, 2])], outputs: [spec('y', [null, 2])] },
} satisfies Readonly<Record<string, ModelSignature>>

const rows: readonly (readonly [x: readonly number[], y: readonly number[]])[] = [
  [[0, 0, 0], [0.5, -0.5]], [[1, 0, 0], [1.5, 1.5]], [[0, 1, 0], [3.5, 3.5]], [[0, 0, 1], [5.5, 5.5]], [[1, 1, 1], [9.5, 11.5]], [[-1, 0.5, 2], [11, 11.5]], [[100, -100, 10], [-149.5, -140.5]],
]
const x = (...which: readonly number[]): Tensors => ({ x: float32([which.length, 3], ...which.flatMap((row) => rows[row]?.[0] ?? [])) })
const y = (...which: readonly number[]): number[] => which.flatMap((row) => rows[row]?.[1] ?? [])

/** Values that a detour through another type would change. */
const extremes: Readonly<Record<DType, Tensor['data']>> = {
  float16: new Uint16Array([0x0001, 0x7bff, 0x8000, 0x3c01]),
  float32: new Float32Array([0.1, -0, 3.4e38, 1e-38]),
  float64: new Float64Array([0.1, 1e300, -5e-324, 1 / 3]),
  int8: new Int8Array([-128, 127, 0, -1]),
  uint8: new Uint8Array([0, 255, 128, 1]),
  int16: new Int16Array([-32_768, 32_767, 0, -1]),
  uint16: new Uint16Array([0, 65_535, 32_768, 1]),
  int32: new Int32Array([-(2 ** 31), 2 ** 31 - 1, 16_777_217, -1]),
  uint32: new Uint32Array([0, 2 ** 32 - 1, 2 ** 31, 1]),
  int64: new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -1n]),
  uint64: new BigUint64Array([0n, 2n ** 64n - 1n, 2n ** 63n, 1n]),
  bool: new Uint8Array([0, 1, 1, 0]),
  string: ['', 'ü ☃ 💥', 'a\nb', '0'],
}

/** What goes on around the engine: loads, and what must be disposed at the end. */
class Kit {
  readonly engine: TensorEngine
  readonly models: EngineTestModels
  readonly options: EngineConformanceOptions
  readonly #tolerance: number
  readonly #loaded = new Set<TensorModel>()

  constructor(engine: TensorEngine, options: EngineConformanceOptions) {
    this.engine = engine
    this.models = options.models
    this.options = options
    this.#tolerance = options.tolerance ?? 1e-5
  }

  async load(files: TestModelFiles | ModelFiles, signature: ModelSignature | undefined): Promise<TensorModel> {
    const held = files instanceof ModelFiles ? files : filesOf(files)
    const loaded = await this.engine.load(held, versionOf(this.engine, held, signature))
    const model = this.engine.takesInputs === true ? givenCopies(loaded) : loaded
    this.#loaded.add(model)
    return model
  }

  affine(): Promise<TensorModel> {
    return this.load(this.models.affine, signatures.affine)
  }

  async dispose(model: TensorModel): Promise<void> {
    this.#loaded.delete(model)
    await model.dispose()
  }

  async end(): Promise<void> {
    for (const model of this.#loaded) await this.dispose(model)
  }

  /** The values of an output, held against those that are right. */
  is(outputs: Tensors, name: string, shape: readonly number[], expected: readonly number[]): void {
    const tensor = outputs[name]
    if (tensor === undefined) throw new Error(`Expected the output ${name}; got ${Object.keys(outputs).join(', ') || 'none'}`)
    if (tensor.shape.join() !== shape.join()) throw new Error(`Expected ${name} of the shape [${shape.join(', ')}]; got [${tensor.shape.join(', ')}]`)
    const values = Array.from(tensor.data as ArrayLike<unknown>, Number)
    if (values.length !== expected.length || values.some((value, at) => !(Math.abs(value - (expected[at] as number)) <= this.#tolerance * Math.max(1, Math.abs(expected[at] as number))))) {
      throw new Error(`Expected ${name} to be ${inspect(expected)}; got ${inspect(tensor.data)}`)
    }
  }

  /** One run of the affine model is right. */
  async works(model: TensorModel, ...which: readonly number[]): Promise<void> {
    this.is(await model.run(x(...which), call), 'y', [which.length, 2], y(...which))
  }
}

/** Of a model that takes its inputs for good: the checks look at theirs again. */
const givenCopies = (model: TensorModel): TensorModel => ({
  describe: () => model.describe(),
  run: (inputs, seen) => model.run(Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() } as Tensor])), seen),
  dispose: () => model.dispose(),
})

const filesOf = (files: TestModelFiles): ModelFiles =>
  new ModelFiles('conformance@1', new Map(Object.entries(files).map(([path, content]) => [path, typeof content === 'string' ? new TextEncoder().encode(content) : content])))

const versionOf = ({ name: engine }: TensorEngine, files: ModelFiles, signature: ModelSignature | undefined): { readonly name: string; readonly version: number; readonly digest: string; readonly manifest: ModelManifest } => {
  const name = 'conformance'
  const manifest: ModelManifest = { format: 'outrigger-model', formatVersion: 1, name, version: 1, engine, files: files.paths.map((path) => ({ path, bytes: files.bytes(path).length, sha256: sha256Hex(files.bytes(path)) })), created: '2026-01-01T00:00:00.000Z', ...(signature && { signature }) }
  return { name, version: 1, digest: '0'.repeat(64), manifest }
}

/** Has to reject, with one of our codes. */
const refused = async (what: string, work: () => Promise<unknown>, code?: string): Promise<void> => {
  let error: unknown
  try {
    const value = await work()
    error = new Error(`${what} must be refused; it gave ${inspect(value, { depth: 3 })}`)
  } catch (thrown) {
    if (isOutriggerError(thrown) && (code === undefined || thrown.code === code)) return
    error = new Error(`${what} must be refused with ${code ?? 'a code'}; it was with ${inspect(thrown)}`, { cause: thrown })
  }
  throw error
}

const settled = async (what: string, work: Promise<Tensors>): Promise<Tensors | undefined> => {
  try {
    return await work
  } catch (error) {
    if (isOutriggerError(error)) return undefined
    throw new Error(`${what} must end with a code, if with an error; it was ${inspect(error)}`, { cause: error })
  }
}

const sameSignature = (found: ModelSignature | undefined, wanted: ModelSignature): void => {
  const text = (side: ModelSignature['inputs'] | undefined): string => (side ?? []).map(({ name, dtype, shape }) => `${name}: ${dtype} [${shape.map((size) => size ?? 'any').join(', ')}]`).sort().join('; ')
  for (const side of ['inputs', 'outputs'] as const) {
    if (text(found?.[side]) !== text(wanted[side])) throw new Error(`Expected the ${side} ${text(wanted[side])}; it says ${text(found?.[side]) || 'none'}`)
  }
}

const floatsOf = (tensors: Tensors, name: string): Float32Array => {
  const data = tensors[name]?.data
  if (data instanceof Float32Array) return data
  throw new Error(`Expected ${name} as float32; got ${inspect(data)}`)
}

const partOf = (values: Float32Array): Float32Array => {
  const whole = new Float32Array(values.length + 5).fill(Number.NaN)
  whole.set(values, 3)
  return whole.subarray(3, 3 + values.length)
}

const cut = (files: ModelFiles, path: string, bytes: Uint8Array | undefined): ModelFiles =>
  new ModelFiles('conformance@1', new Map(files.paths.flatMap((one) => (one !== path ? [[one, files.bytes(one)] as const] : bytes === undefined ? [] : [[one, bytes] as const]))))

const checks: Readonly<Record<EngineCheckName, (kit: Kit) => Promise<void>>> = {
  'a model says truthfully what it takes and gives': async (kit) => {
    for (const [name, signature] of Object.entries(signatures) as [keyof typeof signatures, ModelSignature][]) {
      const files = kit.models[name]
      if (files === undefined) continue
      const { signature: found, batchable, batchSize } = (await kit.load(files, signature)).describe()
      sameSignature(found, signature)
      const fixed = name === 'fixedBatch' ? 4 : undefined
      if ((batchSize ?? found?.inputs[0]?.shape[0] ?? undefined) !== fixed) throw new Error(`Expected a batch size of ${fixed}; it says ${batchSize}`)
      if (batchable !== undefined && typeof batchable !== 'boolean') throw new Error(`Expected \`batchable\` to be a boolean; it is ${inspect(batchable)}`)
    }
  },
  'a model says what it holds and where it computes': async (kit) => {
    const { bytes, device } = (await kit.affine()).describe()
    if (bytes === undefined || !(Number.isSafeInteger(bytes) && bytes > 0)) throw new Error(`Expected \`bytes\` to be a positive integer; it is ${inspect(bytes)}`)
    if (typeof device !== 'string' || device === '') throw new Error(`Expected \`device\` to be a name; it is ${inspect(device)}`)
  },
  'answers are right, and of the type that it says': async (kit) => {
    const model = await kit.affine()
    for (const row of rows.keys()) {
      const outputs = await model.run(x(row), call)
      kit.is(outputs, 'y', [1, 2], y(row))
      if (outputs['y']?.dtype !== 'float32' || !(outputs['y'].data instanceof Float32Array)) throw new Error(`Expected float32; got ${inspect(outputs['y'])}`)
    }
  },
  'a batch is its rows, in their order': async (kit) => {
    const model = await kit.affine()
    for (const which of [[0, 1], [5, 4, 3, 2, 1, 0, 6], Array.from({ length: 100 }, (_, at) => (at * 3) % rows.length)]) await kit.works(model, ...which)
  },
  'a batch of no rows gives none, or is refused with a code': async (kit) => {
    const model = await kit.affine()
    const outputs = await settled('A batch of no rows', model.run({ x: float32([0, 3]) }, call))
    if (outputs !== undefined) kit.is(outputs, 'y', [0, 2], [])
    await kit.works(model, 1)
  },
  'a fixed batch is respected': async (kit) => {
    const model = await kit.load(kit.models.fixedBatch as TestModelFiles, signatures.fixedBatch)
    await kit.works(model, 3, 1, 0, 2)
    for (const which of [[1], [1, 2, 3, 4, 5]]) await refused(`A batch of ${which.length} where 4 are fixed`, () => model.run(x(...which), call))
    await kit.works(model, 6, 5, 4, 3)
  },
  'several inputs and outputs go by their names': async (kit) => {
    const model = await kit.load(kit.models.twoByTwo as TestModelFiles, signatures.twoByTwo)
    const [a, b] = [float32([2, 2], 1, 2, 3, 4), float32([2, 2], 10, 20, 30, 40)]
    for (const inputs of [{ a, b }, { b, a }]) {
      const outputs = await model.run(inputs, call)
      kit.is(outputs, 'sum', [2, 2], [11, 22, 33, 44])
      kit.is(outputs, 'difference', [2, 2], [-9, -18, -27, -36])
    }
  },
  'sizes that are free may differ from run to run': async (kit) => {
    const model = await kit.load(kit.models.sequence as TestModelFiles, signatures.sequence)
    kit.is(await model.run({ x: float32([1, 3, 2], 1, 2, 3, 4, 5, 6) }, call), 'y', [1, 2], [9, 12])
    kit.is(await model.run({ x: float32([2, 1, 2], 1, 2, 3, 4) }, call), 'y', [2, 2], [1, 2, 3, 4])
    kit.is(await model.run({ x: float32([1, 2, 2], 1, 2, 3, 4) }, call), 'y', [1, 2], [4, 6])
  },
  'values of every type pass exactly': async (kit) => {
    for (const [dtype, files] of Object.entries(kit.models.identity ?? {}) as [DType, TestModelFiles][]) {
      const model = await kit.load(files, undefined)
      const { inputs, outputs } = model.describe().signature ?? { inputs: [], outputs: [] }
      const [input, output] = [inputs[0]?.name ?? 'x', outputs[0]?.name ?? 'y']
      if (inputs[0]?.dtype !== dtype || outputs[0]?.dtype !== dtype) throw new Error(`Expected ${dtype} in and out; it says ${inputs[0]?.dtype} and ${outputs[0]?.dtype}`)
      const data = extremes[dtype]
      const found = (await model.run({ [input]: { dtype, shape: [2, 2], data } as Tensor }, call))[output]
      if (found?.dtype !== dtype || found.data.constructor !== data.constructor || found.data.length !== 4 || [...data].some((value, at) => !Object.is(value, found.data[at]))) {
        throw new Error(`Expected ${dtype} ${inspect(data)}; got ${found?.dtype} ${inspect(found?.data)}`)
      }
    }
  },
  'an input of another shape or type, or none, is refused with a code, and the next run is right': async (kit) => {
    const model = await kit.affine()
    const wrong: readonly (readonly [string, Tensors])[] = [
      ['A row that is too long', { x: float32([1, 4], 1, 2, 3, 4) }], ['A dimension too few', { x: float32([3], 1, 2, 3) }], ['A dimension too many', { x: float32([1, 3, 1], 1, 2, 3) }],
      ['Another type', { x: { dtype: 'string', shape: [1, 3], data: ['1', '2', '3'] } }], ['Fewer elements than its shape says', { x: float32([2, 3], 1, 2, 3) }], ['No input', {}], ['An input of another name', { z: float32([1, 3], 1, 2, 3) }],
    ]
    for (const [what, inputs] of wrong) {
      await refused(what, () => model.run(inputs, call))
      await kit.works(model, 4)
    }
  },
  'inputs are not changed, and may be parts of larger buffers': async (kit) => {
    const model = await kit.affine()
    const data = partOf(floatsOf(x(4, 5), 'x'))
    const before = Float32Array.from(new Float32Array(data.buffer))
    const input = Object.freeze({ x: Object.freeze({ dtype: 'float32', shape: Object.freeze([2, 3]), data }) }) as Tensors
    kit.is(await model.run(input, call), 'y', [2, 2], y(4, 5))
    if (!before.every((value, at) => Object.is(value, new Float32Array(data.buffer)[at]))) throw new Error('The buffer of an input was changed')
  },
  'outputs are the caller\'s own': async (kit) => {
    const model = await kit.affine()
    const first = await model.run(x(1, 2), call)
    const second = await model.run(x(1, 2), call)
    floatsOf(first, 'y').fill(7)
    kit.is(second, 'y', [2, 2], y(1, 2))
    await kit.works(model, 1, 2)
    const files = kit.models.identity?.float32
    if (files === undefined) return
    const same = await kit.load(files, undefined)
    const { inputs, outputs } = same.describe().signature ?? { inputs: [], outputs: [] }
    const input = float32([1, 2], 1, 2)
    floatsOf(await same.run({ [inputs[0]?.name ?? 'x']: input }, call), outputs[0]?.name ?? 'y').fill(7)
    if (input.data[0] !== 1) throw new Error('An output has the memory of an input')
  },
  'runs at once do not mix': async (kit) => {
    const model = await kit.affine()
    const sets = Array.from({ length: 40 }, (_, at) => Array.from({ length: 1 + (at % 3) }, (__, row) => (at + row) % rows.length))
    await Promise.all(sets.map((which) => kit.works(model, ...which)))
  },
  'a call that is aborted settles, and the next run is right': async (kit) => {
    const model = await kit.affine()
    const leaving = new AbortController()
    const running = settled('A run whose caller left', model.run(x(1), callOf(leaving.signal, 0)))
    leaving.abort()
    for (const outputs of [await running, await settled('A run whose caller had left', model.run(x(1), callOf(leaving.signal, 0)))]) {
      if (outputs !== undefined) kit.is(outputs, 'y', [1, 2], y(1))
    }
    await kit.works(model, 2)
  },
  'two models of one engine are apart': async (kit) => {
    const [first, second] = [await kit.affine(), await kit.affine()]
    await Promise.all([kit.works(first, 1, 2), kit.works(second, 3)])
    await kit.dispose(first)
    await kit.works(second, 3, 4)
    await kit.works(await kit.affine(), 5)
  },
  'files that are cut, empty, gone or no model are refused with a code': async (kit) => {
    const files = filesOf(kit.models.affine)
    for (const path of files.paths) {
      const bytes = files.bytes(path)
      for (const length of new Set([0, bytes.length >> 1, bytes.length - 1])) await refused(`\`${path}\` of ${length} of its ${bytes.length} bytes`, () => kit.load(cut(files, path, bytes.slice(0, length)), signatures.affine))
      await refused(`A version without \`${path}\``, () => kit.load(cut(files, path, undefined), signatures.affine))
    }
    const noise = files.paths.map((path) => [path, files.bytes(path).map((_, at) => (at * 167 + 13) % 251)] as const)
    await refused('Noise in the place of files', () => kit.load(new ModelFiles('conformance@1', new Map(noise)), signatures.affine))
    await refused('A version without files', () => kit.load({}, signatures.affine))
    await kit.works(await kit.affine(), 1)
  },
  'the files are left as they are': async (kit) => {
    const files = filesOf(kit.models.affine)
    const before = files.paths.map((path) => files.bytes(path).slice())
    await kit.works(await kit.load(files, signatures.affine), 1, 2)
    files.paths.forEach((path, at) => {
      if (!(before[at] as Uint8Array).every((byte, index) => byte === files.bytes(path)[index])) throw new Error(`\`${path}\` was changed`)
    })
  },
  'a model that is disposed refuses with ERR_OUTRIGGER_CLOSED, and may be disposed again': async (kit) => {
    const model = await kit.affine()
    await kit.works(model, 1)
    await kit.dispose(model)
    await refused('A run after dispose', () => model.run(x(1), call), 'ERR_OUTRIGGER_CLOSED')
    await kit.dispose(model)
  },
  'disposing while a run is under way harms neither': async (kit) => {
    for (let turns = 0; turns < 4; turns += 1) {
      const model = await kit.affine()
      const running = [0, 1, 2].map((row) => settled('A run that was under way', model.run(x(row), call)))
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      await kit.dispose(model)
      const all = await Promise.all(running)
      for (const [row, outputs] of all.entries()) if (outputs !== undefined) kit.is(outputs, 'y', [1, 2], y(row))
      await refused('A run after dispose', () => model.run(x(1), call), 'ERR_OUTRIGGER_CLOSED')
    }
    await kit.works(await kit.affine(), 1)
  },
  'rows go through it as through any engine': async (kit) => {
    const files = filesOf(kit.models.affine)
    const made = await tensorEngine(kit.engine).load(files, versionOf(kit.engine, files, signatures.affine)) as { predictBatch(rows: readonly unknown[], call: unknown): Promise<unknown[]>; dispose(): unknown }
    try {
      const outcomes = await made.predictBatch([rows[1]?.[0], Float32Array.from(rows[2]?.[0] ?? []), [1], { x: rows[6]?.[0] }], call)
      if (!isRowFailure(outcomes[2])) throw new Error(`Expected the row of 1 to fail; got ${inspect(outcomes[2])}`)
      for (const [at, row] of [[0, 1], [1, 2], [3, 6]] as const) kit.is({ y: float32([2], ...(outcomes[at] as number[])) }, 'y', [2], y(row))
    } finally {
      await made.dispose()
    }
  },
  'nothing is left behind': async (kit) => {
    const held = kit.options.held as () => number | Promise<number>
    const first = await kit.affine() // what an engine holds once, for all models, is no leak
    await kit.works(first, 1)
    await kit.dispose(first)
    const before = await held()
    const expect = async (count: number, when: string): Promise<void> => {
      const now = await held()
      if (now !== count) throw new Error(`Expected ${count} to be held ${when}; it is ${now}`)
    }
    const model = await kit.affine()
    await kit.works(model, 1)
    const loaded = await held()
    for (let run = 0; run < 100; run += 1) {
      await kit.works(model, run % rows.length)
      if (run % 10 === 0) await refused('A row that is too long', () => model.run({ x: float32([1, 4], 1, 2, 3, 4) }, call))
    }
    await expect(loaded, 'after 100 runs')
    await kit.dispose(model)
    await expect(before, 'after dispose')
    for (let cycle = 0; cycle < 10; cycle += 1) {
      const next = await kit.affine()
      await kit.works(next, cycle % rows.length)
      await kit.dispose(next)
    }
    await expect(before, 'after 10 models')
    const files = filesOf(kit.models.affine)
    for (const path of files.paths) await refused('A file that is cut', () => kit.load(cut(files, path, files.bytes(path).slice(0, -1)), signatures.affine))
    await expect(before, 'after loads that failed')
  },
}

/** The option that a check cannot do without. */
const needs: Partial<Readonly<Record<EngineCheckName, (options: EngineConformanceOptions) => unknown>>> = {
  'a fixed batch is respected': ({ models }) => models.fixedBatch,
  'several inputs and outputs go by their names': ({ models }) => models.twoByTwo,
  'sizes that are free may differ from run to run': ({ models }) => models.sequence,
  'values of every type pass exactly': ({ models }) => models.identity,
  'nothing is left behind': ({ held }) => held,
}

/**
 * The checks that every {@link TensorEngine} has to pass, whoever wrote it. They run against the real thing, with any
 * test runner; each loads models of its own and disposes them.
 *
 * @param make - makes the engine; called for every check
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { OutriggerError } from 'outrigger'
 * import type { TensorEngine } from 'outrigger/models'
 * import { engineConformance } from 'outrigger/testing'
 * const forgetful: TensorEngine = {
 *   name: 'forgetful',
 *   load: async () => ({ describe: () => ({}), run: async () => ({}), dispose: () => {} }),
 * }
 * // With vitest, Jest or node:test: for (const { name, run } of engineConformance(…)) test(name, run)
 * const checks = engineConformance(() => forgetful, { models: { affine: { 'model.json': '{}' } } })
 * await assert.rejects(checks[0]!.run(), /Expected the inputs x: float32 \[any, 3\]/)
 * ```
 */
export const engineConformance = (make: () => TensorEngine | PromiseLike<TensorEngine>, options: EngineConformanceOptions): EngineCheck[] => {
  const owner = 'an engine conformance suite'
  optionsObject(owner, options, ['models', 'tolerance', 'held', 'except'])
  requiredFunction(owner, 'make', make)
  const { models, except = {} } = options
  if (typeof models?.affine !== 'object') throw new InvalidOptionError(`Cannot create ${owner} as \`models\` must have \`affine\`: current value is ${inspect(models)}`)
  for (const name of Object.keys(except)) {
    if (!Object.hasOwn(checks, name)) throw new InvalidOptionError(`Cannot create ${owner} as \`except\` must name its checks: current value is ${name}`)
  }
  return (Object.keys(checks) as EngineCheckName[])
    .filter((name) => !Object.hasOwn(except, name) && (needs[name] === undefined || needs[name](options) !== undefined))
    .map((name) => ({
      name,
      run: async () => {
        const kit = new Kit(await make(), options)
        try {
          try {
            await checks[name](kit)
          } finally {
            await kit.end()
          }
        } catch (error) {
          throw new Error(`The engine does not hold "${name}": ${error instanceof Error ? error.message : inspect(error)}`, { cause: error })
        }
      },
    }))
}
