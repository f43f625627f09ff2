import { LRUCache } from 'lru-cache'
import { roughBytes } from '../core/copy.js'
import { numberOption, optionsObject } from '../core/options.js'
import type { CacheKey, Scope } from './cache-key.js'
import { nothing, type CacheFill, type CacheReading, type CacheStore, type CacheStoreHost, type CacheUse, type Invalidation, type OpenCacheStore } from './cache-store.js'
import { bounded } from './_guard.js'

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** The most answers it keeps for online callers, at most 2²⁴; the least recently used leaves first. @default 10_000 */
  readonly max?: number
  /** About the most bytes of keys and answers. @default no limit */
  readonly maxBytes?: number
}

/** What scoring jobs may fill, beside the rest: a twentieth of it. */
const guestShare = 0.05

/**
 * Keeps answers in the memory of the process, in [lru-cache](https://github.com/isaacs/node-lru-cache).
 *
 * The default of `cached`. Each predictor gets a store of its own. What scoring jobs (`workload: 'batch'`) ask for
 * stands in a guest segment of a twentieth of the size, beside the rest, until an online caller uses it too: a job
 * never pushes out what online callers use. Nothing is copied here; `cached` does that.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { cached, memoryStore } from 'outrigger/cache'
 * const cache = cached({ store: memoryStore({ max: 100 }) })
 * const predict = pipe((x: number) => x * 2, cache)
 * await predict(1)
 * await predict(1)
 * assert.deepEqual([cache.counts.hits, cache.counts.entries], [1, 1])
 * ```
 */
export const memoryStore = (options: MemoryStoreOptions = {}): CacheStore => {
  const limits = memoryLimits('a memory store', options)
  return { open: (host) => new MemoryStore(limits, host), describe: () => `up to ${limits.max}`, isPrivate: true }
}

/** Checked limits. */
export interface MemoryLimits {
  readonly max: number
  readonly maxBytes: number | undefined
}

export const memoryLimits = (owner: string, options: MemoryStoreOptions): MemoryLimits => {
  optionsObject(owner, options, ['max', 'maxBytes'])
  return {
    max: numberOption(owner, 'max', options.max ?? 10_000, { min: 1, max: 2 ** 24, integer: true }),
    maxBytes: options.maxBytes === undefined ? undefined : numberOption(owner, 'maxBytes', options.maxBytes, { min: 1, integer: true }),
  }
}

interface Slot {
  readonly key: CacheKey
  readonly reading: CacheReading
  readonly tags: readonly string[]
  readonly bytes: number
}

type Slots = LRUCache<string | number, Slot>

/** The open store. Synchronous throughout. Two inputs whose hashes are equal push each other out, and never share an answer. */
export class MemoryStore implements OpenCacheStore {
  readonly #main: Slots
  readonly #guests: Slots
  readonly #measures: boolean
  readonly #byTag = new Map<string, Set<Slot>>()
  /** The versions and variants that have answers here. */
  readonly #scopes = new Map<number, { readonly scope: Scope; slots: number }>()

  constructor({ max, maxBytes }: MemoryLimits, host: CacheStoreHost) {
    bounded.add(this)
    this.#measures = maxBytes !== undefined
    const slots = (share: number): Slots =>
      new LRUCache({
        max: Math.ceil(max * share),
        ...(maxBytes === undefined ? {} : { maxSize: Math.ceil(maxBytes * share), sizeCalculation: (slot: Slot) => slot.bytes }),
        dispose: (slot, _lookup, reason) => {
          this.#unlist(slot)
          if (reason === 'evict') host.count('evictions')
        },
      })
    this.#main = slots(1)
    this.#guests = slots(guestShare)
  }

  get size(): number {
    return this.#main.size + this.#guests.size
  }

  get(key: CacheKey, use: CacheUse): CacheReading {
    const { lookup } = key
    // A job must not make anything look used, either.
    const slot = use === 'online' ? this.#main.get(lookup) : this.#main.peek(lookup)
    if (slot !== undefined) return slot.key.equals(key) ? slot.reading : nothing
    const guest = this.#guests.size === 0 ? undefined : this.#guests.peek(lookup)
    if (guest === undefined || !guest.key.equals(key)) return nothing
    if (use === 'online') {
      this.#guests.delete(lookup)
      this.#put(this.#main, guest)
    }
    return guest.reading
  }

  getMany(keys: readonly CacheKey[], use: CacheUse): CacheReading[] {
    return keys.map((key) => this.get(key, use))
  }

  set(fills: readonly CacheFill[]): void {
    for (const { key, answer, use } of fills) {
      const isGuest = use === 'batch' && !this.#main.has(key.lookup)
      if (!isGuest) this.#guests.delete(key.lookup)
      const bytes = this.#measures ? key.bytes + roughBytes(answer.output) + 100 : 1
      this.#put(isGuest ? this.#guests : this.#main, { key, reading: { answer }, tags: answer.tags, bytes })
    }
  }

  invalidate(what: Invalidation): void {
    if (what === 'all') {
      this.#main.clear()
      this.#guests.clear()
    } else if ('input' in what) {
      for (const { scope } of [...this.#scopes.values()]) this.delete(what.input.in(scope))
    } else if ('tag' in what) {
      for (const { key } of [...(this.#byTag.get(what.tag) ?? [])]) this.delete(key)
    } else {
      for (const slots of [this.#main, this.#guests]) {
        for (const { key } of [...slots.values()]) if (key.scope.identity.version === what.version || key.scope.identity.digest === what.version) this.delete(key)
      }
    }
  }

  close(): void {
    this.invalidate('all')
  }

  /** Forgets one answer. */
  delete(key: CacheKey): void {
    for (const slots of [this.#main, this.#guests]) if (slots.peek(key.lookup)?.key.equals(key) === true) slots.delete(key.lookup)
  }

  #put(slots: Slots, slot: Slot): void {
    slots.set(slot.key.lookup, slot)
    // One that is larger than all of the store was not taken.
    if (slots.peek(slot.key.lookup) !== slot) return
    const { scope } = slot.key
    const known = this.#scopes.get(scope.id)
    if (known === undefined) this.#scopes.set(scope.id, { scope, slots: 1 })
    else known.slots += 1
    for (const tag of slot.tags) {
      const tagged = this.#byTag.get(tag)
      if (tagged === undefined) this.#byTag.set(tag, new Set([slot]))
      else tagged.add(slot)
    }
  }

  #unlist(slot: Slot): void {
    const { id } = slot.key.scope
    const known = this.#scopes.get(id)
    if (known !== undefined && (known.slots -= 1) === 0) this.#scopes.delete(id)
    for (const tag of slot.tags) {
      const tagged = this.#byTag.get(tag)
      if (tagged?.delete(slot) === true && tagged.size === 0) this.#byTag.delete(tag)
    }
  }
}
