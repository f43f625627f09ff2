/**
 * What a predictor tells those who observe it, and the bridge to `node:diagnostics_channel`.
 *
 * Events of layers travel outwards through the stack: whoever observes the outermost predictor hears all of them.
 * Records of predictions belong to the predictor that was called.
 */
import { channel, type Channel } from 'node:diagnostics_channel'
import type { PredictionRecord } from './record.js'

/** A call has settled. */
export interface PredictionEvent {
  readonly type: 'prediction'
  readonly record: PredictionRecord
}

/** Something changed its state: a breaker opened, a version went live, a drift was raised. */
export interface StateEvent {
  readonly type: 'state'
  /** The kind of layer: `circuit-breaker`, `model-loader`, `drift-monitor`… */
  readonly layer: string
  /** Which of them, when there are several: a model's name, a feature. */
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly reason: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** The numbers behind the change. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** Something that no caller was told, and somebody should know: a callback threw, background work failed. */
export interface NoticeEvent {
  readonly type: 'notice'
  readonly layer: string
  readonly message: string
  readonly error?: unknown
  readonly at: number
  readonly data?: Readonly<Record<string, unknown>>
}

/** What an observer hears. */
export type PredictorEvent = PredictionEvent | StateEvent | NoticeEvent

/** Hears the events of a predictor. What it throws disturbs nobody and is itself reported, as a notice. */
export type Observer = (event: PredictorEvent) => void

/** The channels of `node:diagnostics_channel` that carry every event of every predictor of the process. */
export const channels: Readonly<Record<'prediction' | 'state' | 'notice' | 'label', Channel>> = {
  prediction: channel('outrigger:prediction'),
  state: channel('outrigger:state'),
  notice: channel('outrigger:notice'),
  label: channel('outrigger:label'),
}

/** What a layer says, before the time and the layer's name are added. */
export type LayerEvent = Omit<StateEvent, 'layer' | 'at'> | Omit<NoticeEvent, 'layer' | 'at'>

/** The observers of one stage, and the stages around it. */
export class EventHub {
  readonly #observers = new Map<Observer, { readonly predictions: boolean }>()
  readonly #outer = new Set<EventHub>()
  #predictionObservers = 0

  /** Whether anybody wants the records of this predictor. */
  get wantsPredictions(): boolean {
    return this.#predictionObservers > 0 || channels.prediction.hasSubscribers
  }

  observe(observer: Observer, predictions: boolean): () => void {
    const entry = { predictions }
    // A listener of its own per subscription, so that the same function may observe twice and leave once.
    const guarded: Observer = (event) => observer(event)
    this.#observers.set(guarded, entry)
    if (predictions) this.#predictionObservers += 1
    return () => {
      if (this.#observers.delete(guarded) && predictions) this.#predictionObservers -= 1
    }
  }

  /** Lets the events of this stage travel on to the stage around it. Returns what ends that. */
  forwardTo(outer: EventHub): () => void {
    this.#outer.add(outer)
    return () => void this.#outer.delete(outer)
  }

  /** Tells the observers of this predictor of a settled call. */
  publish(record: PredictionRecord, wall: () => number): void {
    const event: PredictionEvent = { type: 'prediction', record }
    this.#tell(event, wall)
    if (channels.prediction.hasSubscribers) channels.prediction.publish(event)
  }

  /** Tells the observers of this stage, and of all the stages around it. */
  emit(event: StateEvent | NoticeEvent): void {
    this.#travel(event)
    const target = channels[event.type]
    if (target.hasSubscribers) target.publish(event)
  }

  /** Once to each stage, though several ways may lead there: the same loader may be the candidate of a rollout and of a shadow. */
  #travel(event: StateEvent | NoticeEvent, told: Set<EventHub> = new Set()): void {
    if (told.has(this)) return
    told.add(this)
    this.#tell(event, () => event.at)
    for (const outer of this.#outer) outer.#travel(event, told)
  }

  #tell(event: PredictorEvent, wall: () => number): void {
    for (const [observer, { predictions }] of [...this.#observers]) {
      if (event.type === 'prediction' && !predictions) continue
      try {
        const result: unknown = observer(event)
        // An asynchronous observer that rejects must not end the process.
        if (result instanceof Promise) result.catch((error: unknown) => this.#report(observer, error, wall()))
      } catch (error) {
        this.#report(observer, error, wall())
      }
    }
  }

  /** A throwing observer is reported to the others, never to itself. */
  #report(thrower: Observer, error: unknown, at: number): void {
    const notice: NoticeEvent = { type: 'notice', layer: 'observer', message: 'An observer threw.', error, at }
    if (channels.notice.hasSubscribers) channels.notice.publish(notice)
    let heard = channels.notice.hasSubscribers
    for (const observer of [...this.#observers.keys()]) {
      if (observer === thrower) continue
      try {
        const result: unknown = observer(notice)
        if (result instanceof Promise) result.catch(() => {})
        heard = true
      } catch {
        // It has failed on the notice of another failure: there is nobody left to tell but the process, below.
      }
    }
    if (!heard) process.emitWarning(error instanceof Error ? error : new Error(String(error)), { code: 'OUTRIGGER_OBSERVER_THREW', detail: 'An observer threw; the prediction was not disturbed.' })
  }
}
