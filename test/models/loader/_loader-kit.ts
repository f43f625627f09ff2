import type { PredictorEvent } from '../../../src/core/events.js'
import type { ModelLoader } from '../../../src/models/loader/model-loader.js'
import { modelStore, type ModelStore, type PublishOptions } from '../../../src/models/store/model-store.js'
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

/** What a loader says of its versions: `delay@1 loading`, and its notices. */
export const eventsOf = (loader: ModelLoader<never, unknown>): string[] => {
  const heard: string[] = []
  loader.observe((event: PredictorEvent) => {
    if (event.type === 'state') heard.push(`${event.subject} ${event.to}`)
    if (event.type === 'notice') heard.push(event.message)
  }, { predictions: false })
  return heard
}
