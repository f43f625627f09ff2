/** How a unit came to its arm, and which of its values have counted. A unit that comes back under other weights may be drawn again. */
export class Draw {
  /** The hash of the unit. */
  readonly unit: number
  readonly isCandidate: boolean
  /** The chance with which this unit got the candidate, given what its earlier arms said about it. Nothing is learnt from 0 and 1. */
  readonly chance: number
  readonly epoch: number
  /** The candidate's share of all units then. */
  readonly share: number
  /** By bit: whether a metric has its value. */
  seen: number

  constructor(unit: number, isCandidate: boolean, chance: number, share: number, epoch: number, seen = 0) {
    this.unit = unit
    this.isCandidate = isCandidate
    this.chance = chance
    this.share = share
    this.epoch = epoch
    this.seen = seen
  }

  hasValue(metric: number): boolean {
    return (this.seen & (1 << metric)) !== 0
  }

  sawValue(metric: number): void {
    this.seen |= 1 << metric
  }
}
