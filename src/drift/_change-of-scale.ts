import { sum } from './_feature-table.js'

/** Factors between units that people mix up: tens, time, angle, length, mass, percent. */
const familiar = [60, 24, 3600, 86_400, 180 / Math.PI, 2.54, 25.4, 30.48, 0.3048 ** -1, 1.609344, 1.852, 0.45359237 ** -1, 28.349523125, 3.785411784]

/** A quantile of log₂|x| from counts by half-octave, even inside each half. */
const quantile = (halves: ArrayLike<number>, share: number): number => {
  let rest = share * sum(halves)
  for (let half = 0; half < halves.length; half++) {
    const rows = halves[half] as number
    if (rest <= rows && rows > 0) {
      // A half-octave reaches from 2^e to 1.5 · 2^e, or from there to 2^(e + 1).
      const [from, to] = half % 2 === 0 ? [0, Math.log2(1.5)] : [Math.log2(1.5), 1]
      return Math.floor(half / 2) + from + ((to - from) * rest) / rows
    }
    rest -= rows
  }
  return NaN
}

/**
 * The factor by which all values seem to be multiplied, or `undefined` if they are not.
 *
 * A change of unit moves every quantile of log |x| by the same amount; a shift does not. The three quartiles must agree within
 * a quarter of an octave. The factor is rounded to a power of ten or another familiar one within 10 %. Below 3, where a change of the world
 * looks much the same, they must agree within a tenth, on a familiar factor within 4 %. A shift of values that lie close together cannot be
 * told from a factor.
 */
export const changeOfScale = (before: ArrayLike<number>, after: ArrayLike<number>, base: number): number | undefined => {
  if (sum(before) < 20 || sum(after) < 20) return undefined
  // Halves are counted from an even exponent on, so that `half % 2` is the half.
  const even = (halves: ArrayLike<number>): number[] => (base % 2 === 0 ? Array.from(halves) : [0, ...Array.from(halves)])
  const [x, y] = [even(before), even(after)]
  const steps = [0.25, 0.5, 0.75].map((share) => quantile(y, share) - quantile(x, share))
  const step = steps.reduce((total, value) => total + value, 0) / steps.length
  const isSmall = Math.abs(step) < Math.log2(3)
  if (!steps.every((value) => Math.abs(value - step) <= (isSmall ? 0.1 : 0.25))) return undefined
  const factor = 2 ** step
  const near = [10 ** Math.round(Math.log10(factor)), ...familiar, ...familiar.map((f) => 1 / f)].find((candidate) => candidate !== 1 && Math.abs(Math.log(factor / candidate)) < (isSmall ? 0.04 : 0.1))
  if (isSmall) return near
  return near ?? Number(factor.toPrecision(2))
}
