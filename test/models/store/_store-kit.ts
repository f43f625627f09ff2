import type { ModelDepot } from '../../../src/models/store/depot.js'
import { memoryDepot } from '../../../src/models/store/memory-depot.js'
import { modelStore, type ModelStore, type ModelStoreOptions, type PublishOptions } from '../../../src/models/store/model-store.js'
import { fakeClock, type FakeClock } from '../../../src/testing/fake-clock.js'

export interface Kit {
  readonly clock: FakeClock
  readonly depot: ModelDepot
  readonly store: ModelStore
}

/** A store in memory on a clock that stands still at the first of February 2001. */
export const kit = (options: Partial<ModelStoreOptions> = {}): Kit => {
  const clock = fakeClock({ wallMs: Date.UTC(2001, 1, 1) })
  const depot = memoryDepot({ clock })
  return { clock, depot, store: modelStore({ depot, clock, ...options }) }
}

export const version = (change: Partial<PublishOptions> = {}): PublishOptions => ({ name: 'delay', engine: 'function', files: { 'a.json': '[1]' }, ...change })

/** Publishes versions 1 to `count`, each with a file of its own and one that all share. */
export const publishMany = async (store: ModelStore, count: number, name = 'delay'): Promise<void> => {
  for (let number = 1; number <= count; number += 1) await store.publish(version({ name, files: { 'own.txt': `${name} ${number}`, 'shared.txt': 'shared' } }))
}

/** The code of what a promise rejects with. */
export const code = async (promise: Promise<unknown>): Promise<string> =>
  await promise.then(() => 'no error', (error: unknown) => String((error as { code?: unknown }).code ?? error))

export const keysOf = async (depot: ModelDepot, prefix = ''): Promise<string[]> => {
  const keys: string[] = []
  for await (const { key } of depot.list(prefix)) keys.push(key)
  return keys.sort()
}

/** The bytes of a file, for damage. */
export const bytesAt = async (depot: ModelDepot, key: string): Promise<Uint8Array> =>
  await depot.read(key, async (reader) => {
    const bytes = new Uint8Array(reader.bytes)
    for (let offset = 0; offset < bytes.length;) offset += await reader.read(bytes.subarray(offset))
    return bytes
  }) as Uint8Array

/** Puts other bytes in a file's place. */
export const overwrite = async (depot: ModelDepot, key: string, bytes: Uint8Array | string): Promise<void> => {
  await depot.remove(key)
  await depot.create(key, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
}
