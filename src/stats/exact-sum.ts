import { isCount, opened, refusedInput, refusedState, sealed, type SketchState } from './_sketch-state.js'

/** The state of an {@link ExactSum} as plain data: the sum is `digits` (hexadecimal) · 2^`exponent`. */
export interface ExactSumState extends SketchState {
  readonly count: number
  readonly digits: string
  readonly exponent: number
}

/** 2098 bits from 2⁻¹⁰⁷⁴ up, 53 for the number of summands, and a sign. */
const limbCount = 69
/** A summand adds less than 2³³ to a limb, so that this many of them stay below 2⁵³. */
const addsPerCarry = 2 ** 19
const radix = 2 ** 32
const lowest = -1074

const double = new Float64Array(1)
const words = new Uint32Array(double.buffer)
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1
const highWord = isLittleEndian ? 1 : 0

/**
 * The sum of any finite doubles without rounding: the same to the bit in whatever order and in however many parts they come.
 *
 * A superaccumulator: one fixed-point number wide enough for every double, in digits of 32 bits. A summand's 53 bits
 * go into two or three digits; carries are made up for every half million summands. `merge` and `subtract` are exact. `value` is the true sum,
 * rounded once to the nearest double (ties to even), ±Infinity where that is out of range.
 *
 * 552 bytes; about 12 ns per value. Up to 2⁵³ values. NaN and infinities are refused. -0 is 0.
 *
 * Source: Kulisch, Computer Arithmetic and Validity (2008), chapter 8; Neal, Fast exact summation using small and large superaccumulators (2015).
 *
 * @example
 * ```ts
 * import { ExactSum } from 'outrigger/stats'
 * const sum = new ExactSum()
 * sum.addAll([1e100, 1, -1e100, 0.1, 0.2])
 * assert.equal(sum.value, 1.3) // plain addition gives 0.30000000000000004
 * ```
 */
export class ExactSum {
  readonly #limbs = new Float64Array(limbCount)
  #count = 0
  #adds = 0

  /**
   * @param state - what `toJSON` of another gave; empty without
   * @throws ERR_OUTRIGGER_PROFILE if it is none, or was changed
   */
  constructor(state?: ExactSumState) {
    if (state !== undefined) this.#restore(state)
  }

  /** How many values are in it. */
  get count(): number {
    return this.#count
  }

  /** The sum, correctly rounded; 0 of nothing. */
  get value(): number {
    return roundedValue(this.#total(), lowest)
  }

  /** The sum divided by the count, correctly rounded; `NaN` of nothing. Never overflows. */
  get mean(): number {
    if (this.#count === 0) return NaN
    const total = this.#total()
    const size = total < 0n ? -total : total
    // At least 66 bits of quotient, and a last one that says whether there is more.
    const shifted = size << 120n
    const count = BigInt(this.#count)
    const quotient = ((shifted / count) << 1n) | (shifted % count === 0n ? 0n : 1n)
    return roundedValue(total < 0n ? -quotient : quotient, lowest - 121)
  }

  /** @throws ERR_OUTRIGGER_INVALID_INPUT if it is not finite. Nothing changes then. */
  add(value: number): void {
    if (!Number.isFinite(value)) throw refusedInput('add to an exact sum', 'a value must be a finite number', value)
    double[0] = value
    this.#room(1)
    this.#addWords(words[highWord] as number, words[1 - highWord] as number)
    this.#count += 1
  }

  /**
   * Adds many; fastest for a `Float64Array`.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if one is not finite. Nothing changes then.
   */
  addAll(values: ArrayLike<number>): void {
    const numbers = values instanceof Float64Array ? values : Float64Array.from(values)
    for (let index = 0; index < numbers.length; index++) {
      const value = numbers[index] as number
      if (value - value !== 0) throw refusedInput('add to an exact sum', 'a value must be a finite number', value)
    }
    const pairs = new Uint32Array(numbers.buffer, numbers.byteOffset, 2 * numbers.length)
    for (let from = 0; from < numbers.length; from += addsPerCarry) {
      const to = Math.min(numbers.length, from + addsPerCarry)
      this.#room(to - from)
      for (let index = from; index < to; index++) this.#addWords(pairs[2 * index + highWord] as number, pairs[2 * index + 1 - highWord] as number)
    }
    this.#count += numbers.length
  }

  /** Adds all that is in another one. */
  merge(other: ExactSum): void {
    this.#combine(other, 1)
    this.#count += other.#count
  }

  /**
   * Takes all that is in another one away.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if that holds more values. Nothing changes then.
   */
  subtract(part: ExactSum): void {
    if (part.#count > this.#count) throw refusedInput('subtract an exact sum', `a part must have at most ${this.#count} values`, part.#count)
    this.#combine(part, -1)
    this.#count -= part.#count
  }

  /** The state: the same text for the same values, in whatever order they came. */
  toJSON(): ExactSumState {
    let total = this.#total()
    let exponent = total === 0n ? 0 : lowest
    const sign = total < 0n ? '-' : ''
    if (total < 0n) total = -total
    const digits = total.toString(16)
    const significant = digits === '0' ? digits : digits.replace(/0+$/, '')
    exponent += 4 * (digits.length - significant.length)
    return sealed('exact-sum', { count: this.#count, digits: sign + significant, exponent })
  }

  #addWords(high: number, low: number): void {
    const limbs = this.#limbs
    const exponent = (high >>> 20) & 0x7ff
    const place = exponent === 0 ? 0 : exponent - 1
    const head = exponent === 0 ? high & 0xfffff : (high & 0xfffff) | 0x100000
    const limb = place >>> 5
    const shift = place & 31
    const first = (low << shift) >>> 0
    // By 32 − shift in two steps, as a shift by 32 is none.
    const second = ((head << shift) >>> 0) + ((low >>> 1) >>> (31 - shift))
    const third = (head >>> 1) >>> (31 - shift)
    if (high >>> 31 === 0) {
      limbs[limb] = (limbs[limb] as number) + first
      limbs[limb + 1] = (limbs[limb + 1] as number) + second
      limbs[limb + 2] = (limbs[limb + 2] as number) + third
    } else {
      limbs[limb] = (limbs[limb] as number) - first
      limbs[limb + 1] = (limbs[limb + 1] as number) - second
      limbs[limb + 2] = (limbs[limb + 2] as number) - third
    }
  }

  /** Makes room for so many more summands. */
  #room(adds: number): void {
    if (this.#adds + adds > addsPerCarry) this.#carry()
    this.#adds += adds
  }

  /** Brings every digit but the last into [0, 2³²). */
  #carry(): void {
    const limbs = this.#limbs
    let carry = 0
    for (let limb = 0; limb < limbCount - 1; limb++) {
      const digit = (limbs[limb] as number) + carry
      carry = Math.floor(digit / radix)
      limbs[limb] = digit - carry * radix
    }
    limbs[limbCount - 1] = (limbs[limbCount - 1] as number) + carry
    this.#adds = 1
  }

  #combine(other: ExactSum, sign: 1 | -1): void {
    other.#carry()
    this.#carry()
    this.#adds = 2
    for (let limb = 0; limb < limbCount; limb++) this.#limbs[limb] = (this.#limbs[limb] as number) + sign * (other.#limbs[limb] as number)
  }

  /** The sum in units of 2⁻¹⁰⁷⁴. */
  #total(): bigint {
    this.#carry()
    let total = 0n
    for (let limb = limbCount - 1; limb >= 0; limb--) total = (total << 32n) + BigInt(this.#limbs[limb] as number)
    return total
  }

  #restore(state: unknown): void {
    const owner = 'an exact sum'
    const { count, digits, exponent } = opened('exact-sum', owner, state)
    if (!isCount(count)) throw refusedState(owner, '`count` must be a count', count)
    if (typeof digits !== 'string' || !/^-?[0-9a-f]{1,540}$/.test(digits)) throw refusedState(owner, '`digits` must be a hexadecimal number', digits)
    if (!Number.isInteger(exponent) || (exponent as number) < lowest || (exponent as number) > 1100) throw refusedState(owner, '`exponent` must be a whole number from -1074', exponent)
    const isNegative = digits.startsWith('-')
    // 0 has the exponent 0.
    let rest = BigInt(`0x${isNegative ? digits.slice(1) : digits}`) << BigInt((exponent as number) - lowest)
    for (let limb = 0; limb < limbCount; limb++) {
      const digit = Number(rest & 0xffffffffn)
      this.#limbs[limb] = isNegative ? -digit : digit
      rest >>= 32n
    }
    if (rest !== 0n) throw refusedState(owner, '`digits` must be a sum of doubles', digits)
    this.#adds = 1
    this.#count = count
  }
}

/** integer · 2^exponent, rounded once: to the nearest double, ties to even. */
export const roundedValue = (integer: bigint, exponent: number): number => {
  const size = integer < 0n ? -integer : integer
  if (size === 0n) return 0
  const hex = size.toString(16)
  const bits = 4 * hex.length - (Math.clz32(Number.parseInt(hex[0] as string, 16)) - 28)
  // The exponent of the last bit that a double of this size has.
  const last = Math.max(bits + exponent - 53, lowest)
  let whole = size
  if (last > exponent) {
    const unit = 1n << BigInt(last - exponent)
    whole = size / unit
    const rest = 2n * (size % unit)
    if (rest > unit || (rest === unit && whole % 2n === 1n)) whole += 1n
  }
  const scale = Math.max(last, exponent)
  const half = Math.trunc(scale / 2)
  // In two steps, as 2^scale itself may be out of range.
  const rounded = Number(whole) * 2 ** half * 2 ** (scale - half)
  return integer < 0n ? -rounded : rounded
}
