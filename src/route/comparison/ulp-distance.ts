/** How many numbers lie between two. */

const doubles = new Float64Array(1)
const singles = new Float32Array(1)
const halves = new Uint32Array(doubles.buffer)
const bits = new Uint32Array(singles.buffer)
/** Which half of a double has its sign: the second on all machines that Node runs on but a few. */
const high = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0

/**
 * How many floating-point numbers lie between two, the last one counted: 0 for equal ones, 1 for neighbours.
 *
 * The bits of a float, taken as a signed integer with the negative half mirrored, are in the order of the numbers; the distance is the difference of these.
 * 0 and −0 are equal. Rounding alone gives a few ULPs; another order of summation some dozens; another precision 2²⁹ and more, so compare float32 as such.
 * It misleads near 0, where 1e-300 and 0 are far apart: let an absolute tolerance decide there. O(1).
 *
 * @param isSingle - whether both are float32
 * @returns `Infinity` where one is not finite and they are not the same
 * @example
 * ```ts
 * import { ulpDistance } from 'outrigger/route'
 * assert.equal(ulpDistance(1, 1 + Number.EPSILON), 1)
 * assert.equal(ulpDistance(0.1 + 0.2, 0.3), 1)
 * assert.equal(ulpDistance(Math.fround(0.1), Math.fround(0.1) + 2 ** -27, true), 1)
 * ```
 */
export const ulpDistance = (a: number, b: number, isSingle = false): number => {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0
  if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity
  const [first, second] = [magnitude(a, isSingle), magnitude(b, isSingle)]
  if (a < 0 !== b < 0) return first.high * two32 + first.low + (second.high * two32 + second.low)
  // Halves are subtracted first, as 64 bits do not fit into a number.
  return Math.abs((first.high - second.high) * two32 + (first.low - second.low))
}

const two32 = 2 ** 32

/** The bits without the sign. */
const magnitude = (value: number, isSingle: boolean): { readonly high: number; readonly low: number } => {
  if (isSingle) {
    singles[0] = Math.abs(value)
    return { high: 0, low: bits[0] as number }
  }
  doubles[0] = Math.abs(value)
  return { high: halves[high] as number, low: halves[1 - high] as number }
}
