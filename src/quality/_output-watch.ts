import { fingerprintOf } from '../resilience/fingerprint.js'
import { Moments } from '../stats/moments.js'

/** What a model's answers look like together. */
export type OutputState = 'ok' | 'stuck' | 'collapsed'

/** The rule of a watch; what is `undefined` is not watched. */
export interface OutputWatchRule {
  readonly stuckAfter: number | undefined
  readonly spread: number | undefined
  readonly over: number
}

const blocks = 8
const maximumNumbers = 64
/** How far from the middle of a collapse, in its spread, an answer has to lie to end it. */
const away = 4

interface Block {
  readonly inputs: Set<number>
  readonly moments: readonly Moments[]
}

/**
 * Sees in a stream of answers that all are equal, or nearly so, although the inputs differ. Pure: no clock, no randomness.
 *
 * **Stuck**: the same answer, by a 32-bit fingerprint, to `stuckAfter` different inputs without another in between. A different answer
 * ends it.
 *
 * **Collapsed**: no number in the answer has a standard deviation above `spread` over the last `over` different inputs. They are kept as
 * moments of eight blocks, judged when a block is full. From then on an answer within 4 · `spread` of the middle counts as collapsed; one
 * farther away ends it at once, so that the first good answer to a breaker's probe passes, without a window to wait for.
 *
 * An input that its streak or block has seen adds nothing. Memory: `stuckAfter` + `over` fingerprints and 8 × 64 moments at most.
 */
export class OutputWatch {
  readonly #rule: OutputWatchRule
  readonly #perBlock: number
  /** The last answer, and the different inputs that it was given to. */
  #answer = 0
  #streak = new Set<number>()
  #full: Block[] = []
  #open: Block | undefined
  /** The means of a collapse, while it lasts. */
  #middle: readonly number[] | undefined
  readonly #numbers = new Float64Array(maximumNumbers)

  constructor(rule: OutputWatchRule) {
    this.#rule = rule
    this.#perBlock = Math.ceil(rule.over / blocks)
  }

  /** Takes one answer in, and says what it makes of it. */
  look(answer: unknown, input: unknown): OutputState {
    const print = fingerprintOf(input)
    const isStuck = this.#isStuck(answer, print)
    const isCollapsed = this.#rule.spread !== undefined && this.#isCollapsed(answer, print, this.#rule.spread)
    return isStuck ? 'stuck' : isCollapsed ? 'collapsed' : 'ok'
  }

  #isStuck(answer: unknown, input: number): boolean {
    const { stuckAfter } = this.#rule
    if (stuckAfter === undefined) return false
    const print = fingerprintOf(answer)
    if (print !== this.#answer) {
      this.#answer = print
      this.#streak.clear()
    }
    if (this.#streak.size < stuckAfter) this.#streak.add(input)
    return this.#streak.size >= stuckAfter
  }

  #isCollapsed(answer: unknown, input: number, spread: number): boolean {
    const count = flatten(answer, this.#numbers, 0)
    // Labels have no variance.
    if (count === 0) return false
    if (this.#open?.moments.length !== count) {
      // Of another length: what was seen cannot be compared with it.
      this.#full = []
      this.#middle = undefined
      this.#open = emptyBlock(count)
    }
    this.#take(this.#open, input, spread)
    const middle = this.#middle
    if (middle === undefined) return false
    for (let index = 0; index < count; index += 1) {
      // Not "greater": NaN is near nothing, and shall not count as near.
      if (!(Math.abs((this.#numbers[index] as number) - (middle[index] as number)) <= away * spread)) {
        this.#middle = undefined
        return false
      }
    }
    return true
  }

  #take({ inputs, moments }: Block, input: number, spread: number): void {
    if (inputs.has(input)) return
    inputs.add(input)
    for (let index = 0; index < moments.length; index += 1) (moments[index] as Moments).push(this.#numbers[index] as number)
    if (inputs.size < this.#perBlock) return
    if (this.#full.push(this.#open as Block) > blocks) this.#full.shift()
    this.#open = emptyBlock(moments.length)
    if (this.#full.length < blocks) return
    const all = moments.map((_, index) => {
      const whole = new Moments()
      for (const block of this.#full) whole.merge(block.moments[index] as Moments)
      return whole
    })
    // The middle of a collapse that lasts stays where it was.
    if (all.every(({ standardDeviation }) => standardDeviation <= spread)) this.#middle ??= all.map(({ mean }) => mean)
    else this.#middle = undefined
  }
}

const emptyBlock = (count: number): Block => ({ inputs: new Set(), moments: Array.from({ length: count }, () => new Moments()) })

/** Writes the finite numbers of an answer into `into`; says how many there are by now. */
const flatten = (answer: unknown, into: Float64Array, from: number): number => {
  if (from === into.length) return from
  if (typeof answer === 'number') {
    if (!Number.isFinite(answer)) return from
    into[from] = answer
    return from + 1
  }
  if (typeof answer !== 'object' || answer === null || answer instanceof DataView) return from
  let at = from
  for (const part of Array.isArray(answer) || ArrayBuffer.isView(answer) ? (answer as unknown as Iterable<unknown>) : answer instanceof Map ? answer.values() : Object.values(answer)) {
    at = flatten(part, into, at)
    if (at === into.length) break
  }
  return at
}
