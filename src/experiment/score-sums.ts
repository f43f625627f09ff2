import { Moments } from '../stats/moments.js'
import { countField, numberField, refusedState } from './_state.js'
import { fieldsOf, momentsOf } from './state-fields.js'
import type { Draw } from './draw.js'

interface Centre {
  count: number
  value: number
}

/** How many epochs have a centre of their own. */
const maxCentres = 16
/** How many units with a covariate there must be before it explains anything. */
const leastForCovariate = 30

/**
 * The sums from which the difference of two arms, and the evidence about it, follow: randomisation-based scores.
 *
 * Of a unit with the value y that got the candidate with the chance w, the score is x = (y − m)(a − w): a is 1 in the candidate, else 0; m is what was expected of
 * the unit before it was seen. As the chance decided about a, E[x] = w(1 − w)·(effect on the unit), whatever m, whatever w was, and however the base rate wanders. Hence Σx / Σw(1 − w)
 * estimates the difference without comparing units of different weights, and Σ(x − bound·w(1 − w)) is a martingale to bet against.
 *
 * m is the mean so far of the unit's epoch, plus what its covariate from before the experiment explains (CUPED, by the regression so far).
 *
 * Source: Howard, Ramdas, McAuliffe and Sekhon (2021), arXiv 1810.08240, section 4.2, for scores of this kind; Deng et al. (2013) for the covariate.
 */
export class ScoreSums {
  #score = 0
  #squares = 0
  #spread = 0
  #weight = 0
  #cross = 0
  #weightSquares = 0
  readonly arms: readonly [Moments, Moments]
  readonly #range: readonly [number, number] | undefined
  /** By epoch. */
  readonly #centres = new Map<number, Centre>()
  #last: Centre | undefined
  #pairs = 0
  #meanBefore = 0
  #meanValue = 0
  #beforeSquares = 0
  #products = 0

  constructor(range: readonly [number, number] | undefined, state?: unknown) {
    this.#range = range
    if (range !== undefined) this.#last = { count: 1, value: (range[0] + range[1]) / 2 }
    if (state === undefined) {
      this.arms = [new Moments(), new Moments()]
      return
    }
    const owner = 'scores'
    const fields = fieldsOf(owner, state)
    this.#score = numberField(owner, fields, 'score')
    this.#squares = numberField(owner, fields, 'squares', 0)
    this.#spread = numberField(owner, fields, 'spread', 0)
    this.#weight = numberField(owner, fields, 'weight', 0)
    this.#cross = numberField(owner, fields, 'cross')
    this.#weightSquares = numberField(owner, fields, 'weightSquares', 0)
    this.arms = [momentsOf(owner, fields['control']), momentsOf(owner, fields['candidate'])]
    const { centres } = fields
    if (!Array.isArray(centres) || centres.length > maxCentres) throw refusedState(owner, `\`centres\` must be a list of at most ${maxCentres}`, centres)
    for (const centre of centres as unknown[]) {
      if (!Array.isArray(centre) || centre.length !== 3 || !centre.every(Number.isFinite)) throw refusedState(owner, 'a centre must be three finite numbers', centre)
      const [epoch, count, value] = centre as [number, number, number]
      this.#last = { count, value }
      this.#centres.set(epoch, this.#last)
    }
    this.#pairs = countField(owner, fields, 'pairs')
    this.#meanBefore = numberField(owner, fields, 'meanBefore')
    this.#meanValue = numberField(owner, fields, 'meanValue')
    this.#beforeSquares = numberField(owner, fields, 'beforeSquares', 0)
    this.#products = numberField(owner, fields, 'products')
  }

  /** Takes in the value of a unit, with its covariate from before the experiment if it has one. */
  add({ isCandidate, chance, epoch }: Draw, value: number, before: number | undefined): void {
    this.arms[isCandidate ? 1 : 0].push(value)
    const centre = this.#centreOf(epoch)
    // Where nothing at all is known of the values, the first one only says where they lie.
    if (centre.count > 0) {
      const rest = value - this.#expected(centre, before)
      const score = rest * ((isCandidate ? 1 : 0) - chance)
      const weight = chance * (1 - chance)
      this.#spread += rest * rest * weight
      this.#score += score
      this.#squares += score * score
      this.#weight += weight
      this.#cross += score * weight
      this.#weightSquares += weight * weight
    }
    centre.count += 1
    centre.value += (value - centre.value) / centre.count
    if (before === undefined) return
    this.#pairs += 1
    const fromMean = before - this.#meanBefore
    this.#meanBefore += fromMean / this.#pairs
    this.#products += fromMean * (value - this.#meanValue)
    this.#meanValue += (value - this.#meanValue) / this.#pairs
    this.#beforeSquares += fromMean * (before - this.#meanBefore)
  }

  get estimate(): number | undefined {
    return this.#weight > 0 && this.arms[0].count > 0 && this.arms[1].count > 0 ? this.#score / this.#weight : undefined
  }

  /** Σ(x − bound·w(1 − w)). */
  excess(bound: number): number {
    return this.#score - bound * this.#weight
  }

  /** Σ(x − bound·w(1 − w))². */
  excessSquares(bound: number): number {
    return Math.max(0, this.#squares - 2 * bound * this.#cross + bound * bound * this.#weightSquares)
  }

  /** The variance of the excess: that of the scores, and no smaller than their variance if both arms have the same values (a small arm without its rare ones knows nothing of these). */
  excessVariance(bound: number): number {
    return Math.max(this.excessSquares(bound), this.#spread)
  }

  /** As many units, evenly split, would say as much: 4 Σw(1 − w). */
  get evenUnits(): number {
    return 4 * this.#weight
  }

  merge(other: ScoreSums): void {
    this.#score += other.#score
    this.#squares += other.#squares
    this.#spread += other.#spread
    this.#weight += other.#weight
    this.#cross += other.#cross
    this.#weightSquares += other.#weightSquares
    this.arms[0].merge(other.arms[0])
    this.arms[1].merge(other.arms[1])
  }

  toJSON(): unknown {
    return {
      score: this.#score,
      squares: this.#squares,
      spread: this.#spread,
      weight: this.#weight,
      cross: this.#cross,
      weightSquares: this.#weightSquares,
      control: this.arms[0].toJSON(),
      candidate: this.arms[1].toJSON(),
      centres: [...this.#centres].map(([epoch, { count, value }]) => [epoch, count, value]),
      pairs: this.#pairs,
      meanBefore: this.#meanBefore,
      meanValue: this.#meanValue,
      beforeSquares: this.#beforeSquares,
      products: this.#products,
    }
  }

  #expected(centre: Centre, before: number | undefined): number {
    let expected = centre.value
    if (before !== undefined && this.#pairs >= leastForCovariate && this.#beforeSquares > 0) expected += (this.#products / this.#beforeSquares) * (before - this.#meanBefore)
    return this.#range === undefined ? expected : Math.min(this.#range[1], Math.max(this.#range[0], expected))
  }

  #centreOf(epoch: number): Centre {
    let centre = this.#centres.get(epoch)
    if (centre === undefined) {
      // A new epoch begins with what the one before has shown, as if that were one unit.
      centre = this.#last === undefined ? { count: 0, value: 0 } : { ...this.#last, count: 1 }
      if (this.#centres.size >= maxCentres) this.#centres.delete(this.#centres.keys().next().value as number)
      this.#centres.set(epoch, centre)
    }
    this.#last = centre
    return centre
  }
}
