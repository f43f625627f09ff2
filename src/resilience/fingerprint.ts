/** A quick number for a value, to see whether two are equal. */
import { murmur3 } from '../core/hash.js'

const word = new Float64Array(1)
const halves = new Uint32Array(word.buffer)

const mix = (hash: number, next: number): number => {
  const mixed = Math.imul(hash ^ next, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}

const walk = (hash: number, value: unknown, depth: number): number => {
  if (typeof value === 'number') {
    word[0] = value
    return mix(mix(hash, halves[0] as number), halves[1] as number)
  }
  if (typeof value !== 'object' || value === null) return mix(hash, murmur3(`${typeof value}${String(value)}`))
  // Deeper than answers are; a cycle ends here too.
  if (depth === 0) return mix(hash, 1)
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) {
    const list = value as readonly unknown[]
    let next = mix(hash, list.length)
    for (let index = 0; index < list.length; index += 1) next = walk(next, list[index], depth - 1)
    return next
  }
  if (value instanceof Date) return walk(mix(hash, 3), value.getTime(), depth)
  let next = mix(hash, 2)
  for (const [name, part] of value instanceof Map ? value : value instanceof Set ? value.entries() : Object.entries(value)) next = walk(walk(next, name, depth - 1), part, depth - 1)
  return next
}

/** 32 bits of numbers, strings, arrays, maps and objects, in the order of their fields. Not a key: two different values may share it. */
export const fingerprintOf = (value: unknown): number => walk(0, value, 8)
