import { OutriggerError } from '../core/errors.js'

/** What a test of means needs of a sample; a `Moments` is one. */
export interface SampleSummary {
  readonly count: number
  readonly mean: number
  /** The sample variance, divided by count − 1. */
  readonly variance: number
}

/** Events among trials. */
export interface RateSummary {
  readonly events: number
  readonly trials: number
}

const refuse = (owner: string, name: string, why: string, value: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as ${name} must be ${why}: current value is ${String(value)}`)

/** Refuses a summary of what is no sample, or of fewer than `least` values. */
export const checkSample = (owner: string, name: string, sample: SampleSummary, least = 2): void => {
  const { count, mean, variance } = sample
  if (!Number.isSafeInteger(count) || count < least) throw refuse(owner, `the ${name}`, `of at least ${least} values`, `${count} values`)
  if (count > 0 && !Number.isFinite(mean)) throw refuse(owner, `the mean of the ${name}`, 'a finite number', mean)
  if (count > 1 && !(variance >= 0 && variance < Infinity)) throw refuse(owner, `the variance of the ${name}`, 'a finite number of at least 0', variance)
}

/** Refuses a rate whose counts are none, or of fewer than `least` trials. */
export const checkRate = (owner: string, name: string, rate: RateSummary, least = 0): void => {
  const { events, trials } = rate
  if (!Number.isSafeInteger(trials) || trials < least) throw refuse(owner, `the trials of the ${name}`, `a count of at least ${least}`, trials)
  if (!Number.isSafeInteger(events) || events < 0 || events > trials) throw refuse(owner, `the events of the ${name}`, `a count of at most ${trials}`, events)
}
