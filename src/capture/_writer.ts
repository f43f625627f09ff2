/** The writer of a capture: a queue that callers push into, and turns of the event loop in which it is worked off. */
import { systemClock, type Clock, type Timer } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { channels, type NoticeEvent, type Observer, type StateEvent } from '../core/events.js'
import { Fifo } from '../core/fifo.js'
import { askForGuarded, guardedOf } from '../core/guarded.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { systemRandom } from '../core/random.js'
import type { PredictionRecord } from '../core/record.js'
import type { Backoff } from '../policy/backoff.js'
import { uniqueName } from '../store/atomic-file.js'
import { Outlet } from './_outlet.js'
import { changeFields, hashesText, laterText, predictionText, valueMask } from './_serialise.js'
import { capturedLine, lineKey, type CapturedLine } from './captured-line.js'
import type { RecordSink } from './record-sink.js'
import { Sampler } from './sampling.js'
import { className } from './_segment-name.js'
import type { StoredRecord } from './stored-record.js'

import type { Capture, CaptureCounts, CaptureOptions, Override } from './capture.js'

interface Later {
  readonly type: 'label' | 'override'
  readonly id: string
  readonly at: number
  readonly fields: object
}

type Entry = { readonly type: 'prediction'; readonly record: PredictionRecord } | StateEvent | Later

const defaultBackoff: Backoff = { minDelayMs: 100, maxDelayMs: 10_000, factor: 2, jitter: 'full' }
/** Notices of one kind, in milliseconds: a full queue must not flood the log. */
const noticeEveryMs = 10_000
/** So many records between two looks at the clock. */
const stride = 16

const known = ['sink', 'sampling', 'secret', 'classOf', 'values', 'texts', 'maxPending', 'maxPendingBytes', 'sliceMs', 'retries', 'backoff', 'clock', 'random'] as const

export class Writer implements Capture {
  readonly #clock: Clock
  readonly #sinks: readonly RecordSink[]
  readonly #outlets: readonly Outlet[]
  readonly #sampler: Sampler
  readonly #secret: string | Uint8Array | undefined
  readonly #classOf: CaptureOptions['classOf']
  readonly #mask: ReturnType<typeof valueMask>
  readonly #texts: ReadonlySet<string>
  readonly #maxPending: number
  readonly #sliceMs: number
  readonly #stopAsking: () => void
  readonly #pending = new Fifo<Entry>()
  readonly #instance = uniqueName()
  readonly #toldAt = new Map<string, number>()
  #isScheduled = false
  #heldTimer: Timer | undefined
  #isClosed = false
  #closing: Promise<void> | undefined
  #lines = 0
  #offered = 0
  #taken = 0
  #kept = 0
  #sampledOut = 0
  #dropped = 0
  #waiters: { readonly until: number; readonly resolve: () => void }[] = []
  readonly observer: Observer

  constructor(options: CaptureOptions) {
    const owner = 'a capture'
    optionsObject(owner, options, known)
    const { sampling = {}, secret, maxPending = 65_536, maxPendingBytes = 64 * 2 ** 20, sliceMs = 1, retries = 5, backoff = {}, clock = systemClock, random = systemRandom() } = options
    this.#sinks = (Array.isArray(options.sink) ? options.sink : [options.sink]) as readonly RecordSink[]
    if (this.#sinks.length === 0) throw new InvalidOptionError(`Cannot create ${owner} as \`sink\` must be a sink, or several: current value is an array of 0`)
    this.#clock = clock
    this.#maxPending = numberOption(owner, 'maxPending', maxPending, { min: 1, integer: true })
    this.#sliceMs = numberOption(owner, 'sliceMs', sliceMs, { min: 0 })
    this.#classOf = functionOption(owner, 'classOf', options.classOf)
    this.#mask = valueMask(options.values)
    if (options.texts !== undefined && !Array.isArray(options.texts)) throw new InvalidOptionError(`Cannot create ${owner} as \`texts\` must be a list of layers: current value is of type ${typeof options.texts}`)
    this.#texts = new Set(options.texts)
    if (secret !== undefined && (typeof secret === 'string' ? Buffer.byteLength(secret) : (secret as Uint8Array | null)?.byteLength ?? 0) < 16) {
      throw new InvalidOptionError(`Cannot create ${owner} as \`secret\` must have at least 16 bytes: current value is shorter`)
    }
    this.#secret = secret
    optionsObject(owner, backoff, ['minDelayMs', 'maxDelayMs', 'factor', 'jitter'])
    const shared = {
      clock,
      random,
      retries: numberOption(owner, 'retries', retries, { min: 0, integer: true }),
      backoff: { ...defaultBackoff, ...backoff },
      maxBytes: numberOption(owner, 'maxPendingBytes', maxPendingBytes, { min: 1 }),
      onRoom: () => this.#schedule(),
    }
    this.#outlets = this.#sinks.map((sink) => {
      membersOption(owner, 'sink', sink, ['write'])
      stringOption(owner, 'sink.name', sink.name)
      const tell = (message: string, error: unknown): void => this.#notice(message, error, { sink: sink.name })
      sink.listen?.(tell)
      return new Outlet({ ...shared, sink, lost: (message, error, lines) => this.#notice(message, error, { sink: sink.name, lines }) })
    })
    this.#sampler = new Sampler(sampling, (error) => this.#notice('A function of `sampling` threw; it does not count.', error))
    this.#stopAsking = secret === undefined ? () => {} : askForGuarded()
    this.observer = (event) => {
      if (event.type !== 'notice') this.#push(event)
    }
  }

  label(id: string, value: unknown, at: number): void {
    this.#later('label', id, at, () => ({ value: this.#valueOf(value) }))
  }

  override({ id, actor, reason, before, after, at }: Override): void {
    for (const [name, text] of [['actor', actor], ['reason', reason]] as const) {
      if (typeof text !== 'string' || text === '') throw new InvalidOptionError(`Cannot keep an override as \`${name}\` must be a string that is not empty: current value is of type ${typeof text}`)
    }
    this.#later('override', id, at, () => ({ actor, reason, before: this.#valueOf(before), after: this.#valueOf(after) }))
  }

  get counts(): CaptureCounts {
    return { offered: this.#offered, kept: this.#kept, sampledOut: this.#sampledOut, dropped: this.#dropped, waiting: this.#pending.size, sinks: this.#outlets.map(({ counts }) => counts) }
  }

  async flush(): Promise<void> {
    if (this.#pending.size > 0) {
      const until = this.#taken + this.#pending.size
      await new Promise<void>((resolve) => this.#waiters.push({ until, resolve }))
    }
    await Promise.all(this.#outlets.map((outlet) => outlet.flush()))
  }

  close(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(numberOption('a capture', 'deadlineMs', options.deadlineMs ?? 10_000, { min: 0 }))
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#isClosed = true
    this.#stopAsking()
    let timer: Timer | undefined
    const late = new Promise<true>((resolve) => {
      timer = this.#clock.setTimeout(() => resolve(true), deadlineMs)
    })
    const isLate = await Promise.race([this.flush(), late])
    if (isLate === true) {
      this.#dropped += this.#pending.size
      this.#taken += this.#pending.size
      this.#pending.keep(() => false)
      this.#wake()
      for (const outlet of this.#outlets) outlet.giveUp()
    }
    // A sink that still hangs is not waited for.
    const closed = await Promise.race([Promise.allSettled(this.#sinks.map(async (sink) => await sink.close?.())), late])
    this.#clock.clearTimeout(timer as Timer)
    if (this.#heldTimer !== undefined) this.#clock.clearTimeout(this.#heldTimer)
    if (closed === true) return
    const errors = closed.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'Several sinks failed to close.')
  }

  #later(type: Later['type'], id: string, at: number, fields: () => object): void {
    if (typeof id !== 'string') throw new InvalidOptionError(`Cannot keep ${type === 'label' ? 'a label' : 'an override'} as its id must be a string: current value is of type ${typeof id}`)
    numberOption(type === 'label' ? 'a label' : 'an override', 'at', at)
    this.#push({ type, id, at, fields: fields() })
  }

  #valueOf(value: unknown): unknown {
    const kept = this.#mask(value)
    if (kept === undefined && value !== undefined) this.#notice('A value of a label or an override was left out, as it is no plain one and no `values` say what may be kept of it.', undefined)
    return kept
  }

  #push(entry: Entry): void {
    this.#offered += 1
    if (this.#isClosed || this.#pending.size >= this.#maxPending) {
      this.#dropped += 1
      this.#notice(this.#isClosed ? 'A record came after `close`.' : 'Records are dropped, as the writer is behind.', undefined)
      return
    }
    this.#pending.push(entry)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#pending.size === 0) return
    this.#isScheduled = true
    this.#clock.setImmediate(this.#drain)
  }

  /** One turn of the writer. */
  readonly #drain = (): void => {
    this.#isScheduled = false
    const until = this.#clock.now() + this.#sliceMs
    let isHeld = false
    do {
      for (let index = 0; index < stride && this.#pending.size > 0; index += 1) {
        isHeld = this.#isHeld()
        if (isHeld) break
        this.#take(this.#pending.shift() as Entry)
      }
    } while (!isHeld && this.#pending.size > 0 && this.#clock.now() < until)
    if (this.#waiters.length > 0) this.#wake()
    if (!isHeld) this.#schedule()
    // Whoever has room again calls; and one that hangs is stuck by and by.
    else if (this.#heldTimer === undefined) {
      this.#heldTimer = this.#clock.setTimeout(() => {
        this.#heldTimer = undefined
        this.#schedule()
      }, 100)
      this.#heldTimer.unref()
    }
  }

  /** Whether the writer waits: for a sink that has no room and is well, or for all of them. One in trouble loses its lines, and holds up no other. */
  #isHeld(): boolean {
    let full = 0
    for (const outlet of this.#outlets) {
      if (!outlet.isFull) continue
      full += 1
      if (!outlet.isStuck) return true
    }
    return full === this.#outlets.length
  }

  #wake(): void {
    this.#waiters = this.#waiters.filter(({ until, resolve }) => {
      if (this.#taken < until) return true
      resolve()
      return false
    })
  }

  #take(entry: Entry): void {
    this.#taken += 1
    try {
      const line = this.#lineOf(entry)
      if (line === undefined) {
        this.#sampledOut += 1
        return
      }
      this.#kept += 1
      for (const outlet of this.#outlets) outlet.add(line)
    } catch (error) {
      this.#dropped += 1
      this.#notice('A record could not be serialised.', error)
    }
  }

  #lineOf(entry: Entry): CapturedLine | undefined {
    this.#lines += 1
    if (entry.type === 'prediction') {
      const { record } = entry
      const sample = this.#sampler.decide(record)
      if (sample === undefined) return undefined
      const name = this.#nameOf('prediction', record)
      const guarded = this.#secret === undefined ? undefined : guardedOf(record)
      const hashes = guarded === undefined ? '' : hashesText(this.#secret as string | Uint8Array, guarded)
      return capturedLine({ kind: 'prediction', id: record.id, at: record.at, class: name, schema: record.schema, text: predictionText(record, name, sample, hashes) }, this.#instance, this.#lines)
    }
    const kind = entry.type === 'state' ? 'change' : entry.type
    const id = entry.type === 'state' ? lineKey(this.#instance, this.#lines) : entry.id
    const name = this.#nameOf(kind, undefined)
    const text = laterText(kind, name, entry.type === 'state' ? changeFields(entry, id, this.#texts) : { id, at: entry.at, ...entry.fields })
    return capturedLine({ kind, id, at: entry.at, class: name, schema: undefined, text }, this.#instance, this.#lines)
  }

  #nameOf(kind: StoredRecord['kind'], record: PredictionRecord | undefined): string {
    if (this.#classOf === undefined) return 'standard'
    try {
      return className('a record', this.#classOf(kind, record))
    } catch (error) {
      this.#notice('`classOf` threw, or gave what is no name; the class is `standard`.', error)
      return 'standard'
    }
  }

  #notice(message: string, error: unknown, data?: NoticeEvent['data']): void {
    const at = this.#clock.wall()
    if (at - (this.#toldAt.get(message) ?? -Infinity) < noticeEveryMs) return
    this.#toldAt.set(message, at)
    const notice: NoticeEvent = { type: 'notice', layer: 'capture', message, at, ...(error === undefined ? {} : { error }), ...(data === undefined ? {} : { data }) }
    if (channels.notice.hasSubscribers) channels.notice.publish(notice)
    else process.emitWarning(message, { code: 'OUTRIGGER_CAPTURE', detail: error instanceof Error ? `${error.name}: ${error.message}` : '' })
  }
}
