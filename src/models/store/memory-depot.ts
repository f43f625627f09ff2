/** A depot in memory: for tests, and for a service that makes its models itself. */
import { systemClock, type Clock } from '../../core/clock.js'
import { optionsObject } from '../../core/options.js'
import { checked, chunkBytes, nextTurn } from './_chunks.js'
import type { BlobId, DepotEntry, DepotReader, ModelDepot } from './depot.js'

/** Options of {@link memoryDepot}. */
export interface MemoryDepotOptions {
  /** Where the times of its files come from. @default the machine's clock */
  readonly clock?: Clock
}

interface Held { readonly bytes: Uint8Array; readonly modifiedMs: number }

class MemoryDepot implements ModelDepot {
  readonly #files = new Map<string, Held>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async names(prefix: string): Promise<string[]> {
    const found = new Set<string>()
    for (const key of this.#files.keys()) if (key.startsWith(prefix)) found.add(key.slice(prefix.length).split('/', 1)[0] as string)
    return [...found]
  }

  async *list(prefix: string): AsyncGenerator<DepotEntry> {
    for (const [key, { bytes, modifiedMs }] of [...this.#files]) {
      if (key.startsWith(prefix)) yield { key, bytes: bytes.length, modifiedMs }
    }
  }

  async read<T>(key: string, use: (reader: DepotReader) => Promise<T>): Promise<T | undefined> {
    const bytes = this.#files.get(key)?.bytes
    if (bytes === undefined) return undefined
    let position = 0
    let turnEnds = chunkBytes
    return await use({
      bytes: bytes.length,
      read: async (into) => {
        // Nothing waits for a disk here, so whoever hashes a large file would hold the event loop.
        if (position >= turnEnds) {
          await nextTurn()
          turnEnds = position + chunkBytes
        }
        const chunk = bytes.subarray(position, position + into.length)
        into.set(chunk)
        position += chunk.length
        return chunk.length
      },
    })
  }

  async create(key: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#files.has(key)) return false
    this.#set(key, bytes.slice())
    return true
  }

  async writeBlob(key: string, blob: BlobId, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#files.get(key)?.bytes.length === blob.bytes) return // nothing damages memory
    const bytes = new Uint8Array(blob.bytes)
    let offset = 0
    for await (const chunk of checked(chunks, blob, key)) {
      bytes.set(chunk, offset)
      offset += chunk.length
    }
    this.#set(key, bytes)
  }

  async remove(key: string): Promise<void> {
    this.#files.delete(key)
  }

  #set(key: string, bytes: Uint8Array): void {
    this.#files.set(key, { bytes, modifiedMs: this.#clock.wall() })
  }
}

/**
 * A place for a store of models in memory. It holds what is published until it is removed or the process ends.
 *
 * @example
 * ```ts
 * import { memoryDepot, modelStore } from 'outrigger/models'
 * const store = modelStore({ depot: memoryDepot() })
 * await store.publish({ name: 'delay', engine: 'function', files: { 'coefficients.json': '[0.5, 2]' } })
 * assert.deepEqual((await store.open('delay@latest')).files.json('coefficients.json'), [0.5, 2])
 * ```
 */
export const memoryDepot = (options: MemoryDepotOptions = {}): ModelDepot => {
  optionsObject('memoryDepot', options, ['clock'])
  return new MemoryDepot(options.clock ?? systemClock)
}
