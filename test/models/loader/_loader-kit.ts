import { OutriggerError } from '../../../src/core/errors.js'
import type { NoticeEvent, PredictorEvent, StateEvent } from '../../../src/core/events.js'
import type { ModelLoader } from '../../../src/models/loader/model-loader.js'
import { sha256Hex } from '../../../src/models/manifest/digest.js'
import { manifestDigest, type ModelManifest } from '../../../src/models/manifest/manifest.js'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import { modelStore, type ModelSource, type ModelStore, type ModelVersion, type OpenedModel, type PublishOptions } from '../../../src/models/store/model-store.js'
import type { FakeClock } from '../../../src/testing/fake-clock.js'
import { temporaryFolder } from '../temporary.js'

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A model that knows whether it is disposed, and who is in it. */
export class WatchedModel {
  static readonly alive = new Set<WatchedModel>()
  static met = 0
  readonly version: number
  disposed = false
  inside = 0

  constructor(version: number) {
    this.version = version
    WatchedModel.alive.add(this)
  }

  readonly #use = async <T>(make: () => T): Promise<T> => {
    this.#assertAlive()
    this.inside += 1
    await turn()
    if (Math.floor(WatchedModel.met / 3) % 2 === 0) await turn()
    this.#assertAlive()
    this.inside -= 1
    WatchedModel.met += 1
    return make()
  }

  #assertAlive(): void {
    if (this.disposed) throw new Error(`met the disposed model of version ${this.version}`)
  }

  predict(row: number): Promise<string> {
    return this.#use(() => `${this.version}:${row}`)
  }

  predictBatch(rows: readonly number[]): Promise<string[]> {
    return this.#use(() => rows.map((row) => `${this.version}:${row}`))
  }

  dispose(): void {
    if (this.disposed) throw new Error('disposed twice')
    if (this.inside > 0) throw new Error(`disposed with ${this.inside} calls inside`)
    this.disposed = true
    WatchedModel.alive.delete(this)
  }
}

/** A store with so many versions of a model; each has its number in `number.json`. */
export const storeOf = async (versions: number, change: (version: number) => Partial<PublishOptions> = () => ({})): Promise<ModelStore> => {
  const store = modelStore({ path: await temporaryFolder() })
  for (let version = 1; version <= versions; version += 1) {
    await store.publish({ name: 'delay', engine: 'function', files: { 'number.json': String(version) }, ...change(version) })
  }
  return store
}

/** The states of a version on its way to where it may go live. */
export const throughTheGate = ['discovered', 'verified', 'loading', 'warming', 'checking', 'ready'] as const

/** `delay@1 discovered`, `delay@1 verified`… */
export const steps = (subject: string, ...states: readonly string[]): string[] => states.map((state) => `${subject} ${state}`)

/** A source in memory: what is in it, what fails, and what it was asked. Everything is there at once. */
export class FakeSource implements ModelSource {
  readonly versions: ModelVersion[] = []
  readonly aliases = new Map<string, number>()
  /** Throws, or waits. */
  fault: (place: 'resolve' | 'open', reference: string) => unknown = () => {}
  readonly asked: string[] = []
  readonly #contents: string[] = []

  publish(content: string = String(this.versions.length + 1), manifest: Partial<ModelManifest> = {}): ModelVersion {
    const version = this.versions.length + 1
    const full: ModelManifest = { format: 'outrigger-model', formatVersion: 1, name: 'delay', version, engine: 'function', files: [{ path: 'content', bytes: content.length, sha256: sha256Hex(new TextEncoder().encode(content)) }], created: '2026-01-01T00:00:00.000Z', ...manifest }
    const published = { name: 'delay', version, digest: manifestDigest(full), manifest: full }
    this.versions.push(published)
    this.#contents.push(content)
    return published
  }

  async resolve(reference: string): Promise<ModelVersion> {
    this.asked.push(`resolve ${reference}`)
    await this.fault('resolve', reference)
    const target = reference.slice('delay@'.length)
    const number = target === 'latest' ? this.versions.length : (this.aliases.get(target) ?? Number(target))
    const version = this.versions[number - 1]
    if (version === undefined) throw new OutriggerError('ERR_OUTRIGGER_MODEL_NOT_FOUND', `Cannot find ${reference}`)
    return version
  }

  async open(version: ModelVersion | string): Promise<OpenedModel> {
    const found = typeof version === 'string' ? await this.resolve(version) : version
    this.asked.push(`open ${found.version}`)
    await this.fault('open', `delay@${found.version}`)
    return { ...found, files: new ModelFiles(`delay@${found.version}`, new Map([['content', new TextEncoder().encode(this.#contents[found.version - 1])]])) }
  }
}

/** What a loader says of its versions: `delay@1 loading`, and its notices. */
export const eventsOf = (loader: ModelLoader<never, unknown>): string[] => {
  const heard: string[] = []
  loader.observe((event: PredictorEvent) => {
    if (event.type === 'state') heard.push(`${event.subject} ${event.to}`)
    if (event.type === 'notice') heard.push(event.message)
  }, { predictions: false })
  return heard
}

/** What a loader tells, whole. */
export const heardOf = (loader: ModelLoader<never, unknown>): { readonly states: StateEvent[]; readonly notices: NoticeEvent[] } => {
  const states: StateEvent[] = []
  const notices: NoticeEvent[] = []
  loader.observe((event: PredictorEvent) => {
    if (event.type === 'state') states.push(event)
    if (event.type === 'notice') notices.push(event)
  }, { predictions: false })
  return { states, notices }
}

/** Lets everything that needs no time happen. */
export const settle = async (clock: FakeClock): Promise<void> => {
  for (let turns = 0; turns < 10; turns += 1) await clock.settle()
}
