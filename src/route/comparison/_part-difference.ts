/** How one part of the outputs differs, over all rows. */
import { isClose } from '../../core/is-close.js'
import { DDSketch, type DDSketchState } from '../../stats/ddsketch.js'
import { Moments, type MomentsState } from '../../stats/moments.js'
import { kendallTau } from './kendall-tau.js'
import type { OutputPart } from './_output-parts.js'
import { countOf, finiteOf, savedMoments, savedSketch } from '../saved.js'
import { tolerancesOf, type Tolerance } from './tolerance.js'
import { overlapOf, topIndices } from './top-k.js'
import { ulpDistance } from './ulp-distance.js'

/** Lists longer than this are compared, not ranked. */
const longestRanking = 4096
const sketch = { relativeAccuracy: 0.02, maxBuckets: 512 }

const counters = ['rows', 'differing', 'judged', 'flips', 'misfits', 'unmeasured'] as const
const momentNames = ['difference', 'overlap', 'ranking'] as const
const sketchNames = ['largest', 'primary', 'candidate'] as const

/** The state of one part as plain data. */
export interface PartState {
  readonly kind: OutputPart['kind']
  readonly counts: readonly number[]
  readonly mostUlps: number
  readonly moments: readonly MomentsState[]
  readonly sketches: readonly DDSketchState[]
}

/** Counts, moments and sketches: what merges, in a memory that does not grow. */
export class PartDifference {
  readonly kind: OutputPart['kind']
  rows = 0
  /** Rows beyond the tolerance. */
  differing = 0
  /** Rows with a label in both, and those where it is another: the label itself, or which score is the highest. */
  judged = 0
  flips = 0
  /** Rows of which one is of another kind or shape. */
  misfits = 0
  /** Rows whose difference is no finite number. */
  unmeasured = 0
  mostUlps = 0
  /** Candidate less primary: of the numbers, or of the score of what the primary ranks first. */
  difference: Moments = new Moments()
  overlap: Moments = new Moments()
  ranking: Moments = new Moments()
  /** The largest absolute difference of each row. */
  largest: DDSketch = new DDSketch(sketch)
  /** The numbers, or the highest scores. */
  primary: DDSketch = new DDSketch(sketch)
  candidate: DDSketch = new DDSketch(sketch)

  constructor(kind: OutputPart['kind']) {
    this.kind = kind
  }

  /** Takes a row in. Gives how many tolerances it is off: at most 1 for one that agrees, `Infinity` for another label, kind or shape. */
  add(primary: OutputPart | undefined, candidate: OutputPart | undefined, tolerance: Required<Tolerance>, topK: number): number {
    this.rows += 1
    const size = this.#compare(primary, candidate, tolerance, topK)
    if (size > 1) this.differing += 1
    return size
  }

  #compare(primary: OutputPart | undefined, candidate: OutputPart | undefined, tolerance: Required<Tolerance>, topK: number): number {
    if (primary?.kind === 'other' && candidate?.kind === 'other') return isClose(primary.value, candidate.value) ? 0 : Infinity
    if (primary?.kind === 'label' && candidate?.kind === 'label') return this.#judge(primary.value !== candidate.value) ? Infinity : 0
    if (primary?.kind === 'number' && candidate?.kind === 'number') return this.#compareNumbers(primary.value, candidate.value, tolerance)
    if (primary?.kind === 'scores' && candidate?.kind === 'scores' && primary.shape === candidate.shape) return this.#compareScores(primary, candidate, tolerance, topK)
    this.misfits += 1
    return Infinity
  }

  #judge(isFlip: boolean): boolean {
    this.judged += 1
    if (isFlip) this.flips += 1
    return isFlip
  }

  #compareNumbers(a: number, b: number, tolerance: Required<Tolerance>): number {
    this.#measure(a, b, Math.abs(b - a))
    this.mostUlps = Math.max(this.mostUlps, ulpDistance(a, b))
    return tolerancesOf(a, b, tolerance, false)
  }

  #compareScores(primary: OutputPart & { readonly kind: 'scores' }, candidate: OutputPart & { readonly kind: 'scores' }, tolerance: Required<Tolerance>, topK: number): number {
    const [a, b] = [primary.value, candidate.value]
    const isSingle = primary.isSingle && candidate.isSingle
    let size = 0
    let largest = 0
    for (let index = 0; index < a.length; index += 1) {
      const [x, y] = [a[index] as number, b[index] as number]
      if (x === y) continue
      size = Math.max(size, tolerancesOf(x, y, tolerance, isSingle))
      this.mostUlps = Math.max(this.mostUlps, ulpDistance(x, y, isSingle))
      largest = Math.max(largest, Math.abs(y - x))
    }
    if (a.length === 0) return size
    const [first, second] = [topIndices(a, topK), topIndices(b, topK)]
    const best = first[0] as number
    this.#measure(a[best] as number, b[best] as number, largest, b[second[0] as number])
    if (a.length > 1) {
      this.#judge(best !== second[0])
      this.overlap.push(overlapOf(first, second))
      const tau = a.length <= longestRanking ? kendallTau(a, b) : NaN
      if (!Number.isNaN(tau)) this.ranking.push(tau)
    }
    return size
  }

  #measure(a: number, b: number, largest: number, highest: number | undefined = b): void {
    if (!Number.isFinite(a) || !Number.isFinite(b) || !Number.isFinite(highest) || !Number.isFinite(largest)) {
      this.unmeasured += 1
      return
    }
    this.difference.push(b - a)
    this.largest.add(largest)
    this.primary.add(a)
    this.candidate.add(highest)
  }

  merge(other: PartDifference): void {
    for (const name of counters) this[name] += other[name]
    this.mostUlps = Math.max(this.mostUlps, other.mostUlps)
    for (const name of momentNames) this[name].merge(other[name])
    for (const name of sketchNames) this[name].merge(other[name])
  }

  toJSON(): PartState {
    return {
      kind: this.kind,
      counts: counters.map((name) => this[name]),
      // JSON has no infinity.
      mostUlps: Math.min(this.mostUlps, Number.MAX_VALUE),
      moments: momentNames.map((name) => this[name].toJSON()),
      sketches: sketchNames.map((name) => this[name].toJSON()),
    }
  }

  /** Throws for what is no state. */
  static from({ kind, counts, mostUlps, moments, sketches }: PartState): PartDifference {
    const part = new PartDifference(kind)
    counters.forEach((name, index) => (part[name] = countOf(counts[index])))
    part.mostUlps = mostUlps === Number.MAX_VALUE ? Infinity : finiteOf(mostUlps)
    momentNames.forEach((name, index) => (part[name] = savedMoments(moments[index] as MomentsState)))
    sketchNames.forEach((name, index) => (part[name] = savedSketch(sketches[index] as DDSketchState)))
    return part
  }
}
