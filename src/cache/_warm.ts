/** Fills a cache with answers that were computed elsewhere, such as a scoring job's output. */
import { Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { showIdentity } from '../core/identity.js'
import type { Stage } from '../core/stage.js'
import type { CacheKey } from './cache-key.js'
import type { CacheReading } from './cache-store.js'
import { copyOutput } from './_outputs.js'
import type { WorkParts } from './_work.js'

/** An answer that was computed elsewhere. */
export interface WarmEntry<I> {
  readonly input: I
  readonly output: unknown
}

/** What became of the entries of a warming. */
export interface WarmCounts {
  readonly kept: number
  /** The output was no plain data, the store was down, or `ttlMs` or `tags` refused it. */
  readonly skipped: number
}

/** So many entries of a warming go to the store at once. */
const warmRows = 256

/** Keeps the answers, for the version that serves now. */
export const warm = async <I>(parts: WorkParts<I>, inside: Stage<I, unknown>, entries: AsyncIterable<WarmEntry<I>> | Iterable<WarmEntry<I>>, version: string | undefined): Promise<WarmCounts> => {
  const { keys, answers, store } = parts
  let kept = 0
  let skipped = 0
  let part: { readonly key: CacheKey; readonly input: I; readonly output: unknown }[] = []

  /** Bound as a caller's call would be. */
  const boundKey = (input: I): CacheKey => {
    const call = new Call(inside.runtime, undefined, undefined, undefined)
    try {
      inside.bind?.(call, input)
      return keys.of(input, call)
    } finally {
      call.end()
    }
  }
  const flush = async (): Promise<void> => {
    const rows = part
    part = []
    const readings = await store.getMany(rows.map(({ key }) => key), 'refresh')
    const now = answers.now()
    const fills = rows.flatMap(({ key, input, output }, position) => {
      const reading = readings[position] as CacheReading
      if (reading.isUnavailable === true) return []
      return answers.ofOutput(input, output, { key, use: 'online', asOf: reading.asOf, revoked: undefined }, key.scope.identity, 0, now) ?? []
    })
    await store.set(fills)
    kept += fills.length
    skipped += rows.length - fills.length
  }

  for await (const { input, output } of entries) {
    const key = boundKey(input)
    const { identity } = key.scope
    if (version !== undefined && identity.version !== version && identity.digest !== version) throw new InvalidOptionError(`Cannot warm a cache as its entries are of version ${version}: the version that serves is ${showIdentity(identity)}`)
    try {
      part.push({ key: key.kept(), input, output: copyOutput(output) })
    } catch {
      skipped += 1
    }
    if (part.length >= warmRows) await flush()
  }
  if (part.length > 0) await flush()
  return { kept, skipped }
}
