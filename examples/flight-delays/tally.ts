import type { Observer, PredictionRecord, StateEvent } from 'outrigger'
import type { LabelledRecord } from 'outrigger/core'
import { epochMinute, monthOf } from './calendar.js'

/** What the records of a month say. */
export interface MonthTally {
  rows: number
  failed: number
  readonly sources: Map<string, number>
  readonly versions: Map<string, number>
}

/** Sums of the log loss of answers whose label has come. */
export interface LiveLoss {
  rows: number
  sum: number
}

/** Counts the records of the service: the only source of the report's operational figures. */
export class Tally {
  readonly months: Map<number, MonthTally> = new Map()
  /** State changes that layers told, with the minute they happened in. */
  readonly changes: StateEvent[] = []
  readonly notices: string[] = []
  /** Live log loss by variant and model version, from labels that came later. */
  readonly losses: Map<string, LiveLoss> = new Map()

  readonly observer: Observer = (event) => {
    if (event.type === 'prediction') this.#count(event.record)
    else if (event.type === 'state') this.changes.push(event)
    else this.notices.push(`${event.layer}: ${event.message}`)
  }

  readonly onJoined = ({ record, label }: LabelledRecord<boolean>): void => {
    const late = record.output?.['late']
    if (typeof late !== 'number' || record.source === 'fallback') return
    const key = `${record.variants[0]?.variant ?? 'none'}@${record.identity.version}`
    const loss = this.losses.get(key) ?? { rows: 0, sum: 0 }
    const chance = Math.min(1 - 1e-7, Math.max(1e-7, label.value ? late : 1 - late))
    loss.rows += 1
    loss.sum -= Math.log(chance)
    this.losses.set(key, loss)
  }

  /** The total of a figure over the months. */
  total(read: (month: MonthTally) => number): number {
    let sum = 0
    for (const month of this.months.values()) sum += read(month)
    return sum
  }

  #count(record: PredictionRecord): void {
    const month = monthOf(record.at / 60_000 - epochMinute)
    let tally = this.months.get(month)
    if (tally === undefined) {
      tally = { rows: 0, failed: 0, sources: new Map(), versions: new Map() }
      this.months.set(month, tally)
    }
    tally.rows += 1
    if (record.outcome !== 'ok') tally.failed += 1
    else {
      add(tally.sources, record.source ?? 'none')
      if (record.source !== 'fallback') add(tally.versions, record.identity.version)
    }
  }
}

const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
