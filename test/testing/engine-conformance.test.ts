import { describe, expect, it } from 'vitest'
import type { TensorModel } from 'outrigger/models'
import type { Tensor, Tensors } from 'outrigger/schema'
import { engineConformance, type EngineCheckName } from 'outrigger/testing'
import { plainEngine, plainModels, type Fault } from './_plain-engine.js'

describe('engineConformance', () => {
  const { engine, held } = plainEngine()
  for (const { name, run } of engineConformance(() => engine, { models: plainModels, held: () => held.count })) it(`passes: ${name}`, run)

  it('leaves out what cannot be asked, and what is excepted', () => {
    const names = engineConformance(() => engine, { models: { affine: plainModels.affine }, except: { 'the files are left as they are': 'for a test' } }).map(({ name }) => name)
    for (const name of ['a fixed batch is respected', 'several inputs and outputs go by their names', 'sizes that are free may differ from run to run', 'values of every type pass exactly', 'nothing is left behind', 'the files are left as they are'] as const) expect(names).not.toContain(name)
    expect(names).toHaveLength(15)
  })

  it('checks its options', () => {
    for (const wrong of [{}, { models: {} }, { models: plainModels, except: { nothing: 'x' } }, { models: plainModels, tolerant: 1 }]) {
      expect(() => engineConformance(() => engine, wrong as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    }
  })
})

/** The checks that an engine does not pass. */
const failing = async (fault: Fault): Promise<EngineCheckName[]> => {
  const { engine, held } = plainEngine(fault)
  const names: EngineCheckName[] = []
  for (const { name, run } of engineConformance(() => engine, { models: plainModels, held: () => held.count })) {
    try {
      await run()
    } catch (error) {
      expect((error as Error).message).toMatch(new RegExp(`^The engine does not hold "${name.replaceAll(/[^\w ,]/g, '.')}": .`))
      names.push(name)
    }
  }
  return names
}

type Change = (outputs: Tensors, inputs: Tensors) => Tensors
const after = (change: Change): Fault => ({ model: (model) => ({ run: async (inputs, call) => change(await model.run(inputs, call), inputs) }) })
const described = (change: object): Fault => ({ model: (model) => ({ describe: () => ({ ...model.describe(), ...change }) }) })
const changeY = (change: (y: Tensor) => Tensor): Change => (outputs) => ('y' in outputs ? { ...outputs, y: change(outputs['y'] as Tensor) } : outputs)
const isFloats = (tensor: Tensor | undefined): tensor is Tensor & { readonly data: Float32Array } => tensor?.dtype === 'float32'

/** Engines that are wrong in one way each, and a check that must say so. */
const broken: readonly [string, Fault, EngineCheckName][] = [
  ['says other sizes', described({ signature: { inputs: [], outputs: [] } }), 'a model says truthfully what it takes and gives'],
  ['says a batch that is not fixed', described({ batchSize: 2 }), 'a model says truthfully what it takes and gives'],
  ['holds nothing', described({ bytes: 0 }), 'a model says what it holds and where it computes'],
  ['is nowhere', described({ device: undefined }), 'a model says what it holds and where it computes'],
  ['is wrong by a little', after(changeY((y) => (isFloats(y) ? { ...y, data: y.data.map((value) => value + 1e-3) } as Tensor : y))), 'answers are right, and of the type that it says'],
  ['gives doubles', after(changeY((y) => (isFloats(y) ? ({ ...y, dtype: 'float64', data: Float64Array.from(y.data) } as Tensor) : y))), 'answers are right, and of the type that it says'],
  ['loses the order of a batch', after(changeY((y) => (isFloats(y) ? { ...y, data: y.data.slice().reverse() } as Tensor : y))), 'a batch is its rows, in their order'],
  ['gives rows for no rows', after(changeY((y) => (y.shape[0] === 0 ? { ...y, shape: [1, 2], data: new Float32Array(2) } as Tensor : y))), 'a batch of no rows gives none, or is refused with a code'],
  ['takes batches of any size', { model: (model) => ({ run: async (inputs, call) => (model.describe().batchSize === undefined ? await model.run(inputs, call) : { y: { dtype: 'float32', shape: [1, 2], data: new Float32Array(2) } }) }) }, 'a fixed batch is respected'],
  ['takes inputs as they come', { model: (model) => ({ run: (inputs, call) => model.run('b' in inputs ? Object.fromEntries(['a', 'b'].map((name, at) => [name, Object.values(inputs)[at] as Tensor])) : inputs, call) }) }, 'several inputs and outputs go by their names'],
  ['keeps the sizes of its first run', { model: (model) => { let sizes: string | undefined; return { run: async (inputs, call) => { const now = String(inputs['x']?.shape.slice(1)); if ((sizes ??= now) !== now) throw new Error(now); return await model.run(inputs, call) } } } }, 'sizes that are free may differ from run to run'],
  ['passes 64-bit integers through doubles', after(changeY((y) => (y.dtype === 'int64' ? { ...y, data: y.data.map((value) => BigInt.asIntN(64, BigInt(Number(value)))) } : y))), 'values of every type pass exactly'],
  ['refuses without a code', { model: (model) => ({ run: (inputs, call) => model.run(inputs, call).catch((error: Error) => { throw new Error(error.message) }) }) }, 'an input of another shape or type, or none, is refused with a code, and the next run is right'],
  ['takes what does not fit', { model: (model) => ({ run: async (inputs, call) => (inputs['x']?.shape.join() === '1,4' ? { y: inputs['x'] } : await model.run(inputs, call)) }) }, 'an input of another shape or type, or none, is refused with a code, and the next run is right'],
  ['changes its inputs', after((outputs, inputs) => { if (isFloats(inputs['x'])) inputs['x'].data.fill(0); return outputs }), 'inputs are not changed, and may be parts of larger buffers'],
  ['takes the whole buffer', { model: (model) => ({ run: (inputs, call) => model.run(isFloats(inputs['x']) ? { x: { ...inputs['x'], data: new Float32Array(inputs['x'].data.buffer) } as Tensor } : inputs, call) }) }, 'inputs are not changed, and may be parts of larger buffers'],
  ['gives out its own buffer', (() => { const buffer = new Float32Array(1000); return after(changeY((y) => { if (!isFloats(y)) return y; buffer.set(y.data); return { ...y, data: buffer.subarray(0, y.data.length) } as Tensor })) })(), 'outputs are the caller\'s own'],
  ['gives out its input', after((outputs, inputs) => (inputs['x']?.shape.join() === '1,2' ? { y: inputs['x'] } : outputs)), 'outputs are the caller\'s own'],
  ['mixes runs', (() => { let last: Tensors | undefined; return { model: (model) => ({ run: async (inputs, call) => { last = inputs; await Promise.resolve(); return await model.run(last, call) } }) } satisfies Fault })(), 'runs at once do not mix'],
  ['rejects an abort with its reason', { model: (model) => ({ run: async (inputs, call) => { call.signal.throwIfAborted(); return await model.run(inputs, call) } }) }, 'a call that is aborted settles, and the next run is right'],
  ['disposes of all models with one', (() => { const all: TensorModel[] = []; return { model: (model) => { all.push(model); return { dispose: () => all.forEach((one) => void one.dispose()) } } } satisfies Fault })(), 'two models of one engine are apart'],
  ['loads what is cut', { load: async (files, next) => (files.has('check.txt') && files.text('check.txt') !== 'whole' ? { describe: () => ({}), run: async () => ({}), dispose: () => {} } : await next()) }, 'files that are cut, empty, gone or no model are refused with a code'],
  ['changes its files', { load: async (files, next) => { files.bytes('check.txt')[0] = 119; const model = await next(); files.bytes('check.txt')[0] = 0; return model } }, 'the files are left as they are'],
  ['runs after dispose', { model: (model) => ({ dispose: () => {}, run: model.run }) }, 'a model that is disposed refuses with ERR_OUTRIGGER_CLOSED, and may be disposed again'],
  ['throws when disposed twice', { model: (model) => { let times = 0; return { dispose: () => { times += 1; if (times > 1) throw new Error('twice'); return model.dispose() } } } }, 'a model that is disposed refuses with ERR_OUTRIGGER_CLOSED, and may be disposed again'],
  ['crashes when disposed under a run', { model: (model) => { let gone = false; return { run: async (inputs, call) => { if (gone) return await model.run(inputs, call); await Promise.resolve(); await Promise.resolve(); if (gone) throw new Error('Session already disposed'); return await model.run(inputs, call) }, dispose: () => { gone = true; return model.dispose() } } } }, 'disposing while a run is under way harms neither'],
  ['gives one row for all', after(changeY((y) => (isFloats(y) ? { ...y, shape: [1, 2], data: y.data.slice(0, 2) } as Tensor : y))), 'rows go through it as through any engine'],
  ['leaks a run', { model: (model, held) => ({ run: async (inputs, call) => { held.count += 1; return await model.run(inputs, call) } }) }, 'nothing is left behind'],
  ['leaks a run that fails', { model: (model, held) => ({ run: async (inputs, call) => { held.count += 1; const outputs = await model.run(inputs, call); held.count -= 1; return outputs } }) }, 'nothing is left behind'],
  ['leaks a model', { model: (model) => ({ dispose: () => { void model } }) }, 'nothing is left behind'],
]

describe('engineConformance, an engine that', () => {
  it.each(broken)('%s is caught', async (_, fault, name) => {
    expect(await failing(fault)).toContain(name)
  })

  it('is wrong is caught by every check', () => {
    const caught = new Set(broken.map(([, , name]) => name))
    const { engine, held } = plainEngine()
    expect(engineConformance(() => engine, { models: plainModels, held: () => held.count }).map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([])
  })
})
