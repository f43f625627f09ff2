import { refusedState } from './_state.js'
import { Draw } from './draw.js'

/** A unit as it is remembered: its latest epoch and draw, and what its arms say about its place in [0, 1) (the candidate's place is [0, share)). */
interface Unit {
  epoch: number
  draw: Draw
  low: number
  high: number
}

/** An exposure that fits its experiment. */
export interface Exposure {
  readonly unit: number
  readonly isCandidate: boolean
  readonly epoch: number
  readonly share: number
  /** Whether the unit keeps its arm by memory, so that new weights are no new draw. */
  readonly isKept: boolean
}

/** What became of an exposure: counted with a draw, counted without one (the arm was certain), or not counted. */
export type Exposed = 'drawn' | 'certain' | 'seen' | 'full' | 'crossed'

/** What became of exposures that did not count as they should. */
export interface UnitProblems {
  /** Units that came when as many as allowed were remembered. */
  full: number
  /** Exposures of a unit to the other arm in the same epoch, or against what its hash allows. */
  crossed: number
  /** Values of units that were never exposed. */
  unexposed: number
}

const bytesPerUnit = 52

/**
 * Units, once per epoch, each with the chance of its own draw.
 *
 * A unit that comes back under new weights is no new coin: the candidate has the places [0, share), so that a control unit of share s goes to the candidate of share t with
 * the chance (t − s) / (1 − s), and a candidate stays. By these chances each draw is fair given all before it, also for the same users through a ramp.
 */
export class UnitDraws {
  #units = new Map<number, Unit>()
  /** Those that are forgotten next. */
  #older = new Map<number, Unit>()
  readonly #max: number
  readonly #forgets: boolean
  readonly problems: UnitProblems = { full: 0, crossed: 0, unexposed: 0 }

  /** @param forgets - whether the oldest units make room when there are more than `max`; else new ones are not counted */
  constructor(max: number, forgets: boolean) {
    this.#max = max
    this.#forgets = forgets
  }

  get size(): number {
    return this.#units.size + this.#older.size
  }

  expose(exposure: Exposure): Exposed {
    const { unit, isCandidate, epoch, share, isKept } = exposure
    const known = this.#find(unit)
    if (known === undefined) return this.#enter(exposure)
    const { draw } = known
    if (epoch <= known.epoch) return epoch < known.epoch || draw.isCandidate === isCandidate ? 'seen' : this.#crossed()
    if (isKept) {
      if (draw.isCandidate !== isCandidate) return this.#crossed()
      known.epoch = epoch
      return 'certain'
    }
    const chance = Math.min(1, Math.max(0, (share - known.low) / (known.high - known.low)))
    if (chance === (isCandidate ? 0 : 1)) return this.#crossed()
    known.epoch = epoch
    // A certain arm is a draw too, one that nothing is learnt from: were values of those who stay still counted by their draw of before, those who may move would be missing beside them.
    known.draw = new Draw(unit, isCandidate, chance, share, epoch)
    if (chance === 0 || chance === 1) return 'certain'
    if (isCandidate) known.high = share
    else known.low = share
    return 'drawn'
  }

  /** How the unit came to its arm. */
  drawOf(unit: number): Draw | undefined {
    return this.#find(unit)?.draw
  }

  /** A unit that both have, if there is one. */
  sharedWith(other: UnitDraws): number | undefined {
    for (const [unit] of other.#all()) if (this.#find(unit) !== undefined) return unit
    return undefined
  }

  /** Adds other units. */
  merge(other: UnitDraws): void {
    for (const [unit, known] of other.#all()) {
      if (this.#hasRoom()) this.#units.set(unit, known)
      else this.problems.full += 1
    }
    this.problems.full += other.problems.full
    this.problems.crossed += other.problems.crossed
    this.problems.unexposed += other.problems.unexposed
  }

  /** All units, 52 bytes each, in base64. */
  toJSON(): string {
    const bytes = Buffer.alloc(this.size * bytesPerUnit)
    let at = 0
    for (const [unit, { epoch, draw, low, high }] of this.#all()) {
      const { isCandidate, share, chance, seen } = draw
      bytes.writeDoubleLE(unit, at)
      // The sign is the arm.
      bytes.writeInt32LE(isCandidate ? -1 - epoch : epoch, at + 8)
      bytes.writeInt32LE(seen, at + 12)
      bytes.writeInt32LE(draw.epoch, at + 16)
      ;[share, chance, low, high].forEach((value, place) => bytes.writeDoubleLE(value, at + 20 + 8 * place))
      at += bytesPerUnit
    }
    return bytes.toString('base64')
  }

  /** Reads what `toJSON` gave. @throws `ERR_OUTRIGGER_PROFILE` */
  restore(owner: string, saved: unknown): void {
    const bytes = typeof saved === 'string' ? Buffer.from(saved, 'base64') : undefined
    if (bytes === undefined || bytes.length % bytesPerUnit !== 0) throw refusedState(owner, `\`units\` must be ${bytesPerUnit} bytes each, in base64`, saved)
    for (let at = 0; at < bytes.length; at += bytesPerUnit) {
      const unit = bytes.readDoubleLE(at)
      const signed = bytes.readInt32LE(at + 8)
      const epoch = signed < 0 ? -1 - signed : signed
      const [share, chance, low, high] = [0, 1, 2, 3].map((place) => bytes.readDoubleLE(at + 20 + 8 * place)) as [number, number, number, number]
      if (!Number.isSafeInteger(unit) || unit < 0 || ![share, chance, low, high].every((value) => value >= 0 && value <= 1) || low > high) throw refusedState(owner, 'a unit must have a hash, and shares in [0, 1]', `unit ${unit}`)
      if (!this.#hasRoom()) throw refusedState(owner, `there must be at most ${this.#max} units`, bytes.length / bytesPerUnit)
      this.#units.set(unit, { epoch, draw: new Draw(unit, signed < 0, chance, share, bytes.readInt32LE(at + 16), bytes.readInt32LE(at + 12)), low, high })
    }
  }

  #find(unit: number): Unit | undefined {
    return this.#units.get(unit) ?? this.#older.get(unit)
  }

  *#all(): Iterable<[number, Unit]> {
    yield* this.#older
    yield* this.#units
  }

  #crossed(): 'crossed' {
    this.problems.crossed += 1
    return 'crossed'
  }

  #enter({ unit, isCandidate, epoch, share }: Exposure): Exposed {
    if (share === (isCandidate ? 0 : 1)) return this.#crossed()
    if (!this.#hasRoom()) {
      this.problems.full += 1
      return 'full'
    }
    this.#units.set(unit, { epoch, draw: new Draw(unit, isCandidate, share, share, epoch), low: isCandidate ? 0 : share, high: isCandidate ? share : 1 })
    return share === 0 || share === 1 ? 'certain' : 'drawn'
  }

  /** Whether there is room for one more. To forget, half of them at once: to take the oldest out of a Map one by one is slow. */
  #hasRoom(): boolean {
    if (!this.#forgets) return this.#units.size < this.#max
    if (this.#units.size >= this.#max / 2) {
      this.#older = this.#units
      this.#units = new Map()
    }
    return true
  }
}
