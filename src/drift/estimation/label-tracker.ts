import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { Fifo } from '../../core/fifo.js'
import { membersOption, numberOption, optionsObject } from '../../core/options.js'
import { isRecord } from '../saved-json.js'
import { areCounts, opened, refused, sealed } from './_saved.js'

/** A window that labels find their way into; `PerformanceWindow` and `ErrorWindow` are such. */
export interface LateLabelWindow<Row, Value> {
  readonly size: { readonly rows: number; readonly labels: number }
  /** Counts a row, and gives what its label will need, as JSON. */
  place(row: Row): unknown
  /** Counts the label of a row. */
  settle(place: unknown, value: Value): void
  isPlace(place: unknown): boolean
  toJSON(): object
}

/** What a tracker needs of an estimator; `performanceEstimator` and `errorEstimator` make such. */
export interface LateLabelEstimator<Row, Value, Estimate, Window extends LateLabelWindow<Row, Value>> {
  window(state?: never): Window
  estimate(window: Window, options?: { readonly blocks?: number }): Estimate
  corrected(window: Window, options?: { readonly blocks?: number }): Estimate
}

/** Options of {@link labelTracker}. */
export interface LabelTrackerOptions<Row, Value, Estimate, Window extends LateLabelWindow<Row, Value>> {
  readonly estimator: LateLabelEstimator<Row, Value, Estimate, Window>
  /** How long a window is. They begin at multiples of it since 1970. @default a day */
  readonly windowMs?: number
  /** How many windows are open at once: so long a label may take. @default 30 */
  readonly windows?: number
  /** Predictions that wait for their label at most; of more, those that wait longest are given up. @default 100_000 */
  readonly maximumPending?: number
  /** A saved tracker of this estimator; the other options are its own then. */
  readonly state?: LabelTrackerState
}

/** What became of predictions and labels so far. */
export interface LabelTrackerCounts {
  /** Predictions that met their label. */
  readonly joined: number
  /** Predictions of a window that has left: they are in no estimate. */
  readonly late: number
  /** Labels whose prediction had met one before. */
  readonly duplicate: number
  /** Predictions that wait no more: their window left, too many waited, or one was made again under the id. */
  readonly expired: number
  /** Labels of predictions that are not known, or no longer. */
  readonly unmatched: number
  /** Predictions that wait. */
  readonly pending: number
}

/** What is known of one window. */
export interface TrackedWindow<Estimate> {
  /** Its first millisecond, and that of the next one. */
  readonly from: number
  readonly to: number
  readonly rows: number
  readonly labels: number
  /** From the predictions alone. */
  readonly estimate: Estimate
  /** With the labels that have come; `estimate` where they are too few. */
  readonly corrected: Estimate
}

/** A tracker as JSON. */
export interface LabelTrackerState {
  readonly format: 'outrigger-label-tracker'
  readonly version: 1
  readonly options: { readonly windowMs: number; readonly windows: number; readonly maximumPending: number }
  /** The number of the newest window since 1970; `null` before the first. */
  readonly newest: number | null
  readonly open: readonly (readonly [number, object])[]
  /** Id, number of the window and place of those that wait, the one that waits longest first. */
  readonly pending: readonly (readonly [string, number, unknown])[]
  /** Ids that have met their label: lately, and before. */
  readonly done: readonly [readonly string[], readonly string[]]
  readonly counts: Omit<LabelTrackerCounts, 'pending'>
  readonly checksum: string
}

/** Joins late labels to windows, see {@link labelTracker}. */
export interface LabelTracker<Row, Value, Estimate> {
  /**
   * Counts a prediction that was made at `at`, in milliseconds since 1970.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT for an id or time that is none, or a row that the estimator refuses; nothing is counted then
   */
  count(id: string, row: Row, at: number): void
  /**
   * Tells the truth about a prediction, whenever it comes. Whether it met its prediction.
   *
   * @throws ERR_OUTRIGGER_INVALID_INPUT for a label that the estimator refuses; its prediction goes on to wait then
   */
  label(id: string, value: Value): boolean
  /** All open windows that have rows, the oldest first. Some milliseconds each. */
  windows(options?: { readonly blocks?: number }): TrackedWindow<Estimate>[]
  /** The window of a time; `undefined` if it has no rows, or has left. */
  window(at: number, options?: { readonly blocks?: number }): TrackedWindow<Estimate> | undefined
  readonly counts: LabelTrackerCounts
  toJSON(): LabelTrackerState
}

const owner = 'a label tracker'
const optionNames = ['estimator', 'windowMs', 'windows', 'maximumPending', 'state'] as const
const countNames = ['joined', 'late', 'duplicate', 'expired', 'unmatched'] as const

interface Waiting {
  readonly id: string
  readonly slot: number
  readonly place: unknown
}

/**
 * Follows many windows at once: each has its estimate from the first row on, and the same corrected as labels come, by prediction id, days or weeks later.
 *
 * Bounded: `windows` windows of some hundred numbers, `maximumPending` predictions that wait, and up to twice as many ids that are done. When
 * a newer window opens, the oldest leaves with what waits in it. A row's time must be that of its arrival: one from next year would make all others late.
 * O(1) for a row and a label.
 *
 * **Misleads**: while labels come, those that came are the quick ones. Where quick labels are of another kind (a fraud is told at once, its absence never), a
 * correction is right only once most have come, within what the estimator says of labels that are no random part.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION, and ERR_OUTRIGGER_PROFILE for a `state` that is none, was changed, or is of another estimator
 * @example
 * ```ts
 * import { labelTracker, performanceEstimator } from 'outrigger/drift'
 * const day = 86_400_000
 * const estimator = performanceEstimator({ reference: Array.from({ length: 1000 }, (_, i) => ({ score: (i % 10) / 10, label: (i * 7) % 100 < 10 * (i % 10) })) })
 * const tracker = labelTracker({ estimator, windowMs: day, windows: 14 })
 * for (let i = 0; i < 400; i++) tracker.count(`row-${i}`, i % 2 === 0 ? 0.1 : 0.9, i < 200 ? 0 : day)
 * // Two days later it turns out that the first day's answers were all wrong.
 * for (let i = 0; i < 200; i++) tracker.label(`row-${i}`, i % 2 === 0)
 * const [first, second] = tracker.windows()
 * assert.ok(first!.estimate.accuracy.value > 0.85 && first!.corrected.accuracy.value === 0)
 * assert.equal(second!.corrected.state, 'too-few-labels')
 * assert.deepEqual(tracker.counts, { joined: 200, late: 0, duplicate: 0, expired: 0, unmatched: 0, pending: 200 })
 * ```
 */
export const labelTracker = <Row, Value, Estimate, Window extends LateLabelWindow<Row, Value>>(options: LabelTrackerOptions<Row, Value, Estimate, Window>): LabelTracker<Row, Value, Estimate> => {
  optionsObject(owner, options, optionNames)
  const estimator = membersOption(owner, 'estimator', options.estimator, ['window', 'estimate', 'corrected'])
  const saved = options.state === undefined ? undefined : readState(options.state, options)
  const own = saved?.options ?? checkedOptions({ ...options })
  const { windowMs, windows: most, maximumPending } = own
  const open = new Map<number, Window>()
  const pending = new Map<string, Waiting>()
  const arrived = new Fifo<Waiting>()
  // Two generations of ids that are done: of the last `maximumPending` each is known, and at most as many before.
  let [lately, before] = [new Set<string>(), new Set<string>()]
  let newest = -Infinity
  const counts = { joined: 0, late: 0, duplicate: 0, expired: 0, unmatched: 0 }

  const isLeft = (slot: number): boolean => slot <= newest - most
  const giveUp = (waiting: Waiting): void => {
    pending.delete(waiting.id)
    counts.expired += 1
  }
  const goOn = (slot: number): void => {
    if (slot <= newest) return
    newest = slot
    const left = [...open.keys()].filter(isLeft)
    for (const old of left) open.delete(old)
    if (left.length > 0) for (const waiting of [...pending.values()]) if (isLeft(waiting.slot)) giveUp(waiting)
  }
  const wait = (waiting: Waiting): void => {
    pending.set(waiting.id, waiting)
    arrived.push(waiting)
    const waits = (one: Waiting): boolean => pending.get(one.id) === one
    for (let first = arrived.first; first !== undefined && pending.size > maximumPending; first = arrived.first) {
      arrived.shift()
      if (waits(first)) giveUp(first)
    }
    // Those that are done leave together, now and then.
    if (arrived.size > 2 * maximumPending + 1000) arrived.keep(waits)
  }
  const read = (slot: number, given: { readonly blocks?: number } | undefined): TrackedWindow<Estimate> => {
    const window = open.get(slot) as Window
    return { from: slot * windowMs, to: (slot + 1) * windowMs, ...sizeOf(window), estimate: estimator.estimate(window, given), corrected: estimator.corrected(window, given) }
  }
  const slotOf = (at: unknown): number => {
    if (typeof at !== 'number' || !Number.isFinite(at)) throw invalid('a time must be a finite number', at)
    return Math.floor(at / windowMs)
  }

  if (saved !== undefined) {
    newest = saved.newest ?? -Infinity
    Object.assign(counts, saved.counts)
    ;[lately, before] = [new Set(saved.done[0]), new Set(saved.done[1])]
    for (const [slot, window] of saved.open) open.set(slot, estimator.window(window as never))
    const waits = new Map<number, number>()
    for (const [id, slot, place] of saved.pending) {
      if (!open.get(slot)?.isPlace(place)) throw refused(owner, 'what waits must have its place in an open window', place)
      waits.set(slot, (waits.get(slot) ?? 0) + 1)
      wait({ id, slot, place })
    }
    for (const [slot, window] of open) if (window.size.labels + (waits.get(slot) ?? 0) > window.size.rows) throw refused(owner, 'a window must have a row for each label and for each prediction that waits', slot)
  }

  return {
    count: (id, row, at) => {
      checkId(id)
      const slot = slotOf(at)
      if (isLeft(slot)) {
        counts.late += 1
        return
      }
      const window = open.get(slot) ?? estimator.window()
      const place = window.place(row)
      goOn(slot)
      open.set(slot, window)
      const again = pending.get(id)
      if (again !== undefined) giveUp(again)
      wait({ id, slot, place })
    },
    label: (id, value) => {
      checkId(id)
      const waiting = pending.get(id)
      if (waiting === undefined) {
        if (lately.has(id) || before.has(id)) counts.duplicate += 1
        else counts.unmatched += 1
        return false
      }
      ;(open.get(waiting.slot) as Window).settle(waiting.place, value)
      pending.delete(id)
      counts.joined += 1
      lately.add(id)
      if (lately.size >= maximumPending) [before, lately] = [lately, new Set()]
      return true
    },
    windows: (given) => [...open.keys()].sort((a, b) => a - b).map((slot) => read(slot, given)),
    window: (at, given) => (open.has(slotOf(at)) ? read(slotOf(at), given) : undefined),
    get counts() {
      return { ...counts, pending: pending.size }
    },
    toJSON: () =>
      sealed({
        format: 'outrigger-label-tracker',
        version: 1,
        options: own,
        newest: newest === -Infinity ? null : newest,
        open: [...open].sort(([a], [b]) => a - b).map(([slot, window]) => [slot, window.toJSON()] as const),
        pending: arrived.values().filter((one) => pending.get(one.id) === one).map(({ id, slot, place }) => [id, slot, place] as const),
        done: [[...lately], [...before]] as const,
        counts: { ...counts },
      } as const),
  }
}

const invalid = (why: string, value: unknown): OutriggerError => new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot track a label as ${why}: current value is ${String(value)}`)

const checkId = (id: unknown): void => {
  if (typeof id !== 'string' || id === '') throw invalid('an id must be a text that is not empty', id)
}

const sizeOf = <Row, Value>({ size }: LateLabelWindow<Row, Value>): { readonly rows: number; readonly labels: number } => ({ rows: size.rows, labels: size.labels })

const checkedOptions = ({ windowMs = 86_400_000, windows = 30, maximumPending = 100_000 }: Readonly<Record<string, unknown>>): LabelTrackerState['options'] => ({
  windowMs: numberOption(owner, 'windowMs', windowMs, { min: 1, integer: true }),
  windows: numberOption(owner, 'windows', windows, { min: 1, max: 10_000, integer: true }),
  maximumPending: numberOption(owner, 'maximumPending', maximumPending, { min: 1, max: 10_000_000, integer: true }),
})

const readState = (state: unknown, given: { readonly [name in keyof LabelTrackerState['options']]?: unknown }): LabelTrackerState => {
  for (const name of ['windowMs', 'windows', 'maximumPending'] as const) {
    if (given[name] !== undefined) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be left out beside \`state\`, which has its own: current value is ${String(given[name])}`)
  }
  const { options, newest, open, pending, done, counts } = opened(owner, 'outrigger-label-tracker', state)
  if (!isRecord(options)) throw refused(owner, 'it must have its options', options)
  let own: LabelTrackerState['options']
  try {
    own = checkedOptions({ windowMs: null, windows: null, maximumPending: null, ...options })
  } catch (cause) {
    throw refused(owner, `its options must be such: ${(cause as Error).message}`, options)
  }
  if (newest !== null && !Number.isSafeInteger(newest)) throw refused(owner, 'its newest window must be a whole number or null', newest)
  const last = newest === null ? -Infinity : (newest as number)
  const areDistinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length
  const isSlot = (slot: unknown): boolean => Number.isSafeInteger(slot) && (slot as number) <= last && (slot as number) > last - own.windows
  const areTexts = (texts: unknown): texts is string[] => Array.isArray(texts) && texts.length <= own.maximumPending && texts.every((text) => typeof text === 'string') && areDistinct(texts)
  const pairs = (list: unknown, length: number): list is unknown[][] => Array.isArray(list) && list.every((item) => Array.isArray(item) && item.length === length)
  if (!pairs(open, 2) || !open.every(([slot]) => isSlot(slot)) || !areDistinct(open.map(([slot]) => slot))) throw refused(owner, 'its windows must be those up to the newest one', open)
  if (!pairs(pending, 3) || !areTexts(pending.map(([id]) => id))) throw refused(owner, `what waits must be at most ${own.maximumPending} different ids`, pending)
  if (!Array.isArray(done) || done.length !== 2 || !done.every(areTexts)) throw refused(owner, 'its done ids must be two lists of texts', done)
  if (!isRecord(counts) || Object.keys(counts).length !== countNames.length || !areCounts(countNames.map((name) => counts[name]), countNames.length)) throw refused(owner, `its counts must be ${countNames.join(', ')}`, counts)
  return state as LabelTrackerState
}
