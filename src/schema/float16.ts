/**
 * Half-precision numbers, IEEE 754 binary16, of which JavaScript knows nothing before Node 24: 1 bit of sign, 5 of
 * exponent, 10 of fraction. Largest 65 504, smallest above zero 2⁻²⁴.
 */

/** From here on a number rounds to infinity: half-way between the largest half and what would come next. */
export const float16Overflow = 65_520

const smallestNormal = 2 ** -14
// Adding it leaves no room for a fraction, and so rounds to an integer, ties to even, as the processor does.
const roundsToInteger = 2 ** 52

/** The number that the bits stand for. */
export const fromFloat16 = (bits: number): number => {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The bits of the nearest half-precision number, ties to even, straight from the double: in one rounding, not two. */
export const toFloat16 = (value: number): number => {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (size >= float16Overflow) return sign | 0x7c00
  if (size < smallestNormal) return sign | (size * 2 ** 24 + roundsToInteger - roundsToInteger)
  const exponent = 17 - Math.clz32(size * 2 ** 14)
  // A fraction that rounds up to 1024 carries into the exponent, as it should.
  return sign | (((exponent + 14) << 10) + (size * 2 ** (10 - exponent) + roundsToInteger - roundsToInteger))
}
