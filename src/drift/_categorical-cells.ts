import { murmur3 } from '../core/hash.js'
import type { CategoricalCells } from './feature-cells.js'

/** The most categories that are remembered without being named. */
const maximumTail = 10_000

/**
 * Chooses the cells of a categorical feature from a sample of its values: the most frequent are named, the others are
 * remembered by a 32-bit hash, so that "seen, but rare" and "never seen" are told apart without keeping the values.
 */
export const categoricalCells = (values: readonly unknown[], limit: number): Pick<CategoricalCells, 'categories' | 'tail' | 'isTailComplete' | 'largestTailShare' | 'types'> => {
  const counts = new Map<string, number>()
  const types = new Set<'string' | 'number' | 'boolean'>()
  for (const value of values) {
    const type = typeof value
    if (type !== 'string' && type !== 'boolean' && !(type === 'number' && Number.isFinite(value))) continue
    types.add(type)
    const category = String(value)
    counts.set(category, (counts.get(category) ?? 0) + 1)
  }
  const ranked = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  const tail = new Set(ranked.slice(limit, limit + maximumTail).map(([category]) => murmur3(category)))
  return {
    categories: ranked.slice(0, limit).map(([category]) => category),
    tail: [...tail].sort((a, b) => a - b),
    isTailComplete: ranked.length <= limit + maximumTail,
    largestTailShare: values.length === 0 ? 0 : (ranked[limit]?.[1] ?? 0) / values.length,
    types: (['string', 'number', 'boolean'] as const).filter((type) => types.has(type)),
  }
}
