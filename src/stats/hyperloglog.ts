import { murmur3 } from '../core/hash.js'
import { numberOption, optionsObject } from '../core/options.js'
import { opened, refusedInput, refusedState, sealed, type SketchState } from './_sketch-state.js'

/** Options of {@link HyperLogLog}. */
export interface HyperLogLogOptions {
  /** 2^precision registers of a byte; the standard error is 1.04 / √(2^precision). 4 to 18. @default 12 (1.6 %, 4 kB) */
  readonly precision?: number
}

/** The state of a {@link HyperLogLog} as plain data: one character per register. */
export interface HyperLogLogState extends SketchState {
  readonly precision: number
  readonly registers: string
}

const owner = 'a HyperLogLog'
const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/**
 * How many different values there were, from registers that merge exactly.
 *
 * A value is hashed to 64 bits (two murmur3 with different seeds). The first bits choose a register, which remembers the longest run of
 * leading zeros among the others. The estimate is Ertl's, from the distribution of all registers at once: no threshold between a small and a
 * large range, no table of biases. Standard error 1.04 / √m over the whole range, less below m.
 *
 * `merge` takes the greater of two registers: exact, in any order, and a value seen twice counts once. There is no subtract. Values are told
 * apart by `String(value)`: 1 and '1' are the same. About 80 ns per short text.
 *
 * It misleads on hostile input: who knows the hash can make any estimate.
 *
 * Source: Flajolet, Fusy, Gandouet and Meunier (2007); Ertl, New cardinality estimation algorithms for HyperLogLog sketches (2017), algorithm 6.
 *
 * @example
 * ```ts
 * import { HyperLogLog } from 'outrigger/stats'
 * const users = new HyperLogLog()
 * for (let i = 0; i < 30_000; i++) users.add(`user ${i % 10_000}`)
 * assert.ok(Math.abs(users.estimate / 10_000 - 1) < 0.05)
 * ```
 */
export class HyperLogLog {
  readonly precision: number
  readonly #registers: Uint8Array

  /**
   * @param options - or what `toJSON` of another gave
   * @throws ERR_OUTRIGGER_INVALID_OPTION for an option out of its range
   * @throws ERR_OUTRIGGER_PROFILE for a state that is none, or was changed
   */
  constructor(options: HyperLogLogOptions | HyperLogLogState = {}) {
    const isState = typeof options === 'object' && options !== null && 'sketch' in options
    const state = isState ? opened('hyperloglog', owner, options) : {}
    if (!isState) optionsObject(owner, options, ['precision'])
    this.precision = numberOption(owner, 'precision', options.precision ?? 12, { min: 4, max: 18, integer: true })
    this.#registers = new Uint8Array(2 ** this.precision)
    if (isState) this.#restore(state['registers'])
  }

  /** Takes one value in. */
  add(value: string | number | boolean): void {
    const text = String(value)
    const first = murmur3(text, 0x9747b28c)
    const rest = 32 - this.precision
    const register = first >>> rest
    const bits = first << this.precision
    // The position of the first 1 in the 64 − precision bits that are left; one more if there is none.
    const rank = bits !== 0 ? Math.clz32(bits) + 1 : rest + Math.clz32(murmur3(text, 0x1b873593)) + 1
    if (rank > (this.#registers[register] as number)) this.#registers[register] = rank
  }

  /**
   * Joins the values of another one.
   * @throws ERR_OUTRIGGER_INVALID_INPUT if its precision is another
   */
  merge(other: HyperLogLog): void {
    if (other.precision !== this.precision) throw refusedInput('merge two HyperLogLogs', `both must have precision ${this.precision}`, other.precision)
    const registers = this.#registers
    other.#registers.forEach((rank, index) => {
      if (rank > (registers[index] as number)) registers[index] = rank
    })
  }

  /** How many different values were added, about; 0 of nothing. Costs a pass over the registers. */
  get estimate(): number {
    const m = this.#registers.length
    const longest = 64 - this.precision
    const histogram = new Float64Array(longest + 2)
    for (const rank of this.#registers) (histogram[rank] as number)++
    let z = m * tau(1 - (histogram[longest + 1] as number) / m)
    for (let rank = longest; rank >= 1; rank--) z = (z + (histogram[rank] as number)) / 2
    z += m * sigma((histogram[0] as number) / m)
    return (m * m) / (2 * Math.LN2 * z)
  }

  /** The state: the same text for the same values, in whatever order they came. */
  toJSON(): HyperLogLogState {
    return sealed('hyperloglog', { precision: this.precision, registers: Array.from(this.#registers, (rank) => digits[rank]).join('') })
  }

  #restore(registers: unknown): void {
    if (typeof registers !== 'string' || registers.length !== this.#registers.length) throw refusedState(owner, `\`registers\` must be ${this.#registers.length} characters`, registers)
    for (let index = 0; index < registers.length; index++) {
      const rank = digits.indexOf(registers[index] as string)
      if (rank < 0 || rank > 65 - this.precision) throw refusedState(owner, '`registers` must be made of its 64 characters', registers)
      this.#registers[index] = rank
    }
  }
}

/** x + Σ x^(2^k) 2^(k−1): what empty registers weigh. Infinite if all are empty. */
const sigma = (share: number): number => {
  if (share === 1) return Infinity
  let [x, y, z] = [share, 1, share]
  for (let before = -1; z !== before; y *= 2) {
    before = z
    x *= x
    z += x * y
  }
  return z
}

/** (1 − x − Σ (1 − x^(2^−k))² 2^−k) / 3: what full registers weigh. */
const tau = (share: number): number => {
  if (share === 0 || share === 1) return 0
  let [x, y, z] = [share, 1, 1 - share]
  for (let before = -1; z !== before; ) {
    before = z
    x = Math.sqrt(x)
    y /= 2
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}
