/** What a sink of alerts is told: {@link AlertMessage}. Names, numbers and times; nothing of any input, output or key. */
import type { Severity } from './objective.js'

/** How fast a rule sees the budget burn. */
export interface RuleReading {
  readonly name: string
  readonly severity: Severity
  /** At which it burns. */
  readonly rate: number
  readonly longMs: number
  readonly shortMs: number
  /** The rates over both windows: 1 uses up exactly the budget. */
  readonly long: number
  readonly short: number
  /** In the long window. */
  readonly events: number
  readonly bad: number
  readonly isBurning: boolean
}

/** An alert as a sink gets it. Plain data. */
export interface AlertMessage {
  readonly v: 1
  readonly state: 'firing' | 'resolved'
  /** Whether it was told before, and goes on. */
  readonly isRepeat: boolean
  /** The same in all messages of an alert, for those who join them: `flights/availability/page`. */
  readonly key: string
  readonly severity: Severity
  /** The name of the service. */
  readonly source: string
  readonly objective: { readonly name: string; readonly kind: string; readonly objective: number; readonly periodMs: number }
  /** One line for a person. */
  readonly title: string
  /** When it began, and when this was said, in milliseconds since 1970. */
  readonly startedAt: number
  readonly at: number
  /** What the rules of this severity see. */
  readonly rules: readonly RuleReading[]
  /** The share of good events over the period so far; `undefined` without one. */
  readonly attainment: number | undefined
  /** What is left of the error budget of the period: 1 all of it, 0 nothing, below 0 too much is spent. */
  readonly budgetLeft: number | undefined
  readonly runbook: string | undefined
}

/** Takes an alert somewhere. What it throws is told as a notice, and asks nobody again: retries are its own work. The signal fires when `alerts` closes. */
export type AlertSink = (message: AlertMessage, signal: AbortSignal) => unknown
