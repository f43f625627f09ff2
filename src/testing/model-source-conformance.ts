/** What every source of models must do, as checks that its author can run. */
import { inspect, isDeepStrictEqual } from 'node:util'
import { isOutriggerError, InvalidOptionError, type ErrorCode } from '../core/errors.js'
import { optionsObject, requiredFunction } from '../core/options.js'
import { manifestDigest, type ModelSignature } from '../models/manifest/manifest.js'
import type { ModelSource, OpenedModel } from '../models/store/model-store.js'

/** The names of the checks, for `except`. */
export type ModelSourceCheckName =
  | 'a version is found by number, alias, latest, range and digest'
  | 'what is not there is not found'
  | 'what is no reference is refused'
  | 'the digest is that of the manifest'
  | 'files come back exactly'
  | 'the bytes are the caller\'s own'
  | 'the signature comes along'
  | 'versions that share files are told apart'
  | 'a new version and a moved alias are seen'
  | 'a version stays what it was when another one follows'
  | 'many who open at once all get it'
  | 'a manifest with another digest is refused'
  | 'a flipped bit is refused'
  | 'a file that is cut off is refused'
  | 'a file that is too long is refused'
  | 'a file of the right size with other content is refused'
  | 'a missing file is refused'
  | 'a repaired file is served again'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface ModelSourceCheck {
  readonly name: ModelSourceCheckName
  run(): Promise<void>
}

/** What the suite publishes. */
export interface PublishedModel {
  readonly name: string
  readonly files: Readonly<Record<string, Uint8Array>>
  readonly signature: ModelSignature
}

/** A source, and the other side of it. */
export interface ModelSourceKit {
  readonly source: ModelSource
  /** Publishes a version and says its number; the next one of a model has the next higher. It may have more files than these. */
  publish(model: PublishedModel): Promise<number>
  setAlias(name: string, alias: string, version: number): Promise<unknown>
  /**
   * Changes a file behind the source's back, on its disk or on the way: `change` is given the bytes and gives other
   * ones, or `undefined` for none at all.
   */
  damage(file: { readonly name: string; readonly version: number; readonly path: string }, change: (bytes: Uint8Array) => Uint8Array | undefined): Promise<unknown>
  close?(): Promise<unknown>
}

/** What {@link modelSourceConformance} needs to know about a source. */
export interface ModelSourceConformanceOptions {
  /** Checks that do not apply, each with the reason. */
  readonly except?: Partial<Readonly<Record<ModelSourceCheckName, string>>>
}

/**
 * The checks that every {@link ModelSource} has to pass, whoever wrote it. They run against the real thing, with any
 * test runner; each makes a source of its own.
 *
 * @param make - makes a source behind which there is nothing yet, without a cache of its own
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelStore } from 'outrigger/models'
 * import { modelSourceConformance } from 'outrigger/testing'
 * const checks = modelSourceConformance(async () => {
 *   const root = await mkdtemp(`${tmpdir()}/models-`)
 *   const store = modelStore({ path: root })
 *   return {
 *     source: store,
 *     publish: async (model) => (await store.publish({ ...model, engine: 'function' })).version,
 *     setAlias: (name, alias, version) => store.setAlias(name, alias, version),
 *     damage: async ({ name, version, path }, change) => {
 *       const { manifest } = await store.resolve(`${name}@${version}`)
 *       const blob = `${root}/blobs/sha256-${manifest.files.find((file) => file.path === path)?.sha256}`
 *       const bytes = change(await readFile(blob))
 *       await (bytes === undefined ? rm(blob) : writeFile(blob, bytes))
 *     },
 *   }
 * })
 * // With vitest, Jest or node:test: for (const { name, run } of checks) test(name, run)
 * for (const { run } of checks) await run()
 * ```
 */
export const modelSourceConformance = (make: () => ModelSourceKit | PromiseLike<ModelSourceKit>, options: ModelSourceConformanceOptions = {}): ModelSourceCheck[] => {
  const owner = 'a model source conformance suite'
  optionsObject(owner, options, ['except'])
  requiredFunction(owner, 'make', make)
  const { except = {} } = options
  for (const name of Object.keys(except)) {
    if (!Object.hasOwn(checks, name)) throw new InvalidOptionError(`Cannot create ${owner} as \`except\` must name its checks: current value is ${name}`)
  }
  return (Object.keys(checks) as ModelSourceCheckName[]).filter((name) => !Object.hasOwn(except, name)).map((name) => ({
    name,
    run: async () => {
      const kit = await make()
      try {
        await checks[name](kit)
      } catch (error) {
        throw new Error(`The source does not hold "${name}": ${error instanceof Error ? error.message : inspect(error)}`, { cause: error })
      } finally {
        await kit.close?.()
      }
    },
  }))
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** Bytes without a pattern that a compression would find, the same every time. */
const noise = (length: number, seed: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let index = 0, state = seed; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

const signature: ModelSignature = {
  inputs: [{ name: 'x', dtype: 'float32', shape: [null, 4] }, { name: 'mask', dtype: 'int64', shape: [null] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [null, 1] }],
}

const modelOf = (seed: number, files: Readonly<Record<string, Uint8Array>> = { 'weights.bin': noise(1_000, seed) }): PublishedModel => ({ name: 'delay', files, signature })

const same = (what: string, actual: unknown, expected: unknown): void => {
  if (!isDeepStrictEqual(actual, expected)) throw new Error(`Expected ${what} to be ${inspect(expected)}; got ${inspect(actual)}`)
}

const sameFiles = (opened: OpenedModel, files: Readonly<Record<string, Uint8Array>>): void => {
  for (const [path, bytes] of Object.entries(files)) {
    const found = opened.files.bytes(path)
    if (found.length !== bytes.length || !Buffer.from(found).equals(bytes)) throw new Error(`Expected \`${path}\` of ${opened.name}@${opened.version} to be the ${bytes.length} bytes that were published; got ${found.length} others`)
  }
}

const refuses = async (what: string, work: Promise<unknown>, codes: readonly ErrorCode[]): Promise<void> => {
  const outcome = await work.then(() => 'success', (error: unknown) => (isOutriggerError(error) ? error.code : inspect(error)))
  if (!(codes as readonly string[]).includes(outcome)) throw new Error(`Expected ${what} to end with ${codes.join(' or ')}; got ${outcome}`)
}

const damaged: readonly ErrorCode[] = ['ERR_OUTRIGGER_MODEL_CORRUPT']
const path = 'weights.bin'

/** Publishes a version, damages it after it was found, and expects it to be refused, found anew or not. */
const refusesDamage = async (kit: ModelSourceKit, change: (bytes: Uint8Array) => Uint8Array | undefined, codes = damaged): Promise<void> => {
  const version = await kit.publish(modelOf(1))
  const found = await kit.source.resolve(`delay@${version}`)
  await kit.damage({ name: 'delay', version, path }, change)
  await refuses('opening what was damaged after it was found', kit.source.open(found), codes)
  await refuses('opening what is damaged', kit.source.open(`delay@${version}`), codes)
}

const checks: Readonly<Record<ModelSourceCheckName, (kit: ModelSourceKit) => Promise<void>>> = {
  'a version is found by number, alias, latest, range and digest': async ({ source, publish, setAlias }) => {
    const first = await publish(modelOf(1))
    const second = await publish(modelOf(2))
    await setAlias('delay', 'champion', first)
    const { digest } = await source.resolve(`delay@${first}`)
    for (const [reference, version] of [[`delay@${first}`, first], ['delay@champion', first], ['delay@latest', second], [`delay@..${first}`, first], [`delay@${first}..`, second], [`delay@${first}..${second}`, second], [digest, first], [`sha256:${digest}`, first], [`delay@${digest}`, first]] as const) {
      const found = await source.resolve(reference)
      same(`the version of ${reference}`, [found.name, found.version], ['delay', version])
      same(`what opens as ${reference}`, (await source.open(reference)).digest, found.digest)
    }
  },
  'what is not there is not found': async ({ source, publish, setAlias }) => {
    const missing = ['ERR_OUTRIGGER_MODEL_NOT_FOUND'] as const
    await refuses('a version of no model', source.resolve('delay@1'), missing)
    const version = await publish(modelOf(1))
    await setAlias('delay', 'champion', version)
    for (const reference of [`delay@${version + 1}`, 'delay@candidate', 'delays@latest', 'delays@champion', `delay@${version + 1}..`, 'a'.repeat(64), `delay@${'a'.repeat(64)}`, 'constructor@latest', 'delay@constructor']) {
      await refuses(`finding ${reference}`, source.resolve(reference), missing)
      await refuses(`opening ${reference}`, source.open(reference), missing)
    }
  },
  'what is no reference is refused': async ({ source, publish }) => {
    await publish(modelOf(1))
    for (const reference of ['', 'delay', 'delay@', '@champion', 'delay@0', 'delay@1@2', '../delay@1', 'delay@../1']) await refuses(`finding ${inspect(reference)}`, source.resolve(reference), ['ERR_OUTRIGGER_INVALID_OPTION'])
  },
  'the digest is that of the manifest': async ({ source, publish }) => {
    const found = await source.resolve(`delay@${await publish(modelOf(1))}`)
    same('the digest', found.digest, manifestDigest(found.manifest))
    same('the digest a second time', (await source.resolve('delay@latest')).digest, found.digest)
    same('name and version of the manifest', [found.manifest.name, found.manifest.version], [found.name, found.version])
  },
  'files come back exactly': async ({ source, publish }) => {
    const files = { [path]: noise(3_000_000, 1), 'empty.bin': new Uint8Array(), 'one.bin': text('\0'), 'parts/of it/größe ☃.txt': text('ü ☃ 💥'), 'same.bin': text('\0') }
    sameFiles(await source.open(`delay@${await publish(modelOf(1, files))}`), files)
  },
  'the bytes are the caller\'s own': async ({ source, publish }) => {
    const model = modelOf(1)
    const version = await publish(model)
    const [one, other] = await Promise.all([source.open(`delay@${version}`), source.open(`delay@${version}`)])
    one.files.bytes(path).fill(0)
    sameFiles(other, model.files)
    sameFiles(await source.open(`delay@${version}`), model.files)
  },
  'the signature comes along': async ({ source, publish }) => {
    const found = await source.resolve(`delay@${await publish(modelOf(1))}`)
    same('the signature', found.manifest.signature, signature)
  },
  'versions that share files are told apart': async ({ source, publish }) => {
    const shared = noise(500, 9)
    const models = [1, 2].map((seed) => modelOf(seed, { 'shared.bin': shared, [path]: noise(100, seed) }))
    for (const model of models) {
      const version = await publish(model)
      sameFiles(await source.open(`delay@${version}`), model.files)
    }
  },
  'a new version and a moved alias are seen': async ({ source, publish, setAlias }) => {
    const first = await publish(modelOf(1))
    await setAlias('delay', 'champion', first)
    same('the champion', (await source.resolve('delay@champion')).version, first)
    const second = await publish(modelOf(2))
    same('the latest', (await source.resolve('delay@latest')).version, second)
    same('the champion before the move', (await source.resolve('delay@champion')).version, first)
    await setAlias('delay', 'champion', second)
    same('the champion after the move', (await source.resolve('delay@champion')).version, second)
    await setAlias('delay', 'champion', first)
    same('the champion after the move back', (await source.resolve('delay@champion')).version, first)
  },
  'a version stays what it was when another one follows': async ({ source, publish }) => {
    const model = modelOf(1)
    const found = await source.resolve(`delay@${await publish(model)}`)
    await publish(modelOf(2))
    sameFiles(await source.open(found), model.files)
  },
  'many who open at once all get it': async ({ source, publish }) => {
    const model = modelOf(1, { [path]: noise(200_000, 1), 'other.bin': noise(100_000, 2) })
    const version = await publish(model)
    for (const opened of await Promise.all(Array.from({ length: 8 }, () => source.open(`delay@${version}`)))) sameFiles(opened, model.files)
  },
  'a manifest with another digest is refused': async ({ source, publish }) => {
    const found = await source.resolve(`delay@${await publish(modelOf(1))}`)
    await refuses('opening a version with the digest of another one', source.open({ ...found, digest: 'a'.repeat(64) }), damaged)
  },
  'a flipped bit is refused': async (kit) => {
    await refusesDamage(kit, (bytes) => bytes.map((byte, index) => (index === 500 ? byte ^ 1 : byte)))
  },
  'a file that is cut off is refused': async (kit) => {
    await refusesDamage(kit, (bytes) => bytes.subarray(0, bytes.length - 1))
  },
  'a file that is too long is refused': async (kit) => {
    await refusesDamage(kit, (bytes) => Buffer.concat([bytes, text('x')]))
  },
  'a file of the right size with other content is refused': async (kit) => {
    await refusesDamage(kit, (bytes) => noise(bytes.length, 77))
  },
  'a missing file is refused': async (kit) => {
    // A source that reads from afar may say that it could not be fetched: it may be on its way.
    await refusesDamage(kit, () => undefined, ['ERR_OUTRIGGER_MODEL_CORRUPT', 'ERR_OUTRIGGER_SOURCE_FAILED'])
  },
  'a repaired file is served again': async (kit) => {
      const model = modelOf(1)
    const version = await kit.publish(model)
    const found = await kit.source.resolve(`delay@${version}`)
    await kit.damage({ name: 'delay', version, path }, (bytes) => noise(bytes.length, 77))
    await refuses('opening what is damaged', kit.source.open(found), damaged)
    await kit.damage({ name: 'delay', version, path }, () => model.files[path])
    sameFiles(await kit.source.open(found), model.files)
  },
}
