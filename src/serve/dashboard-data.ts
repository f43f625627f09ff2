/** What the dashboard's page is drawn from, as JSON. Numbers that are not finite are texts there: `'Infinity'`, `'NaN'`. */
import type { Outcome } from '../core/errors.js'
import type { ModelIdentity } from '../core/identity.js'
import type { Alerts } from '../observe/slo/alerts.js'
import type { Verdict } from '../experiment/verdict.js'
import type { DriftVerdict } from '../drift/drift-verdict.js'
import type { BucketSeries } from './_time-buckets.js'

/** A prediction in a list: enough to find it. */
export interface PredictionLine {
  readonly id: string
  readonly at: number
  readonly outcome: Outcome
  readonly source: string | undefined
  readonly version: string
  readonly variant: string
  readonly totalMs: number
  /** The code of the error, or its name. */
  readonly error: string | undefined
}

/** What served lately, by version and variant. */
export interface ServedLine {
  readonly name: string
  readonly version: string
  readonly variant: string
  readonly rows: number
  readonly failed: number
  readonly degraded: number
  readonly p50: number | null
  readonly p99: number | null
}

/** A state of a layer, and when it began. */
export interface StateLine {
  readonly layer: string
  readonly subject: string
  readonly from: string
  readonly to: string
  readonly reason: string
  readonly at: number
}

/** How often an error ended a call. */
export interface ErrorLine {
  readonly error: string
  readonly rows: number
  readonly lastAt: number
  readonly lastId: string
}

export interface PredictorData {
  readonly name: string
  readonly identity: ModelIdentity
  readonly isReady: boolean
  /** The stack, as `describe()` prints it. */
  readonly stack: string
  /** Since the dashboard watches. */
  readonly totals: { readonly rows: number; readonly byOutcome: Readonly<Record<string, number>>; readonly bySource: Readonly<Record<string, number>> }
  /** Of the last hour. */
  readonly hour: { readonly rows: number; readonly failed: number; readonly degraded: number; readonly p50: number | null; readonly p99: number | null }
  readonly series: BucketSeries
  readonly served: readonly ServedLine[]
  /** The latest state of each circuit breaker that changed. */
  readonly breakers: readonly StateLine[]
  /** The latest changes, newest first. */
  readonly changes: readonly StateLine[]
  readonly notices: readonly { readonly layer: string; readonly message: string; readonly at: number }[]
  readonly errors: readonly ErrorLine[]
  readonly failures: readonly PredictionLine[]
  readonly fallbacks: readonly PredictionLine[]
  readonly slowest: readonly PredictionLine[]
}

export interface DriftFeatureData {
  readonly feature: string
  readonly state: string
  readonly rows: number
  readonly effect: number
  readonly adjustedPValue: number
  readonly findings: readonly string[]
  /** Shares of rows in the reference and now. */
  readonly cells: readonly { readonly cell: string; readonly before: number; readonly after: number }[]
}

export interface DriftData {
  readonly name: string
  readonly state: DriftVerdict['state']
  readonly rows: number
  readonly rowsNeeded: number
  readonly referenceRows: number
  readonly tolerance: number
  readonly features: readonly DriftFeatureData[]
  readonly segments: readonly { readonly segment: string; readonly state: string; readonly rows: number; readonly drifted: readonly string[] }[]
}

export interface RolloutData {
  readonly name: string
  readonly stage: string
  readonly step: number
  readonly weight: number
  readonly since: number
  readonly candidate: string | undefined
  readonly control: string | undefined
  readonly waits: readonly string[]
  readonly held: { readonly by: string; readonly reason: string } | undefined
  readonly end: { readonly by: string; readonly reason: string; readonly cause: string; readonly at: number } | undefined
  readonly verdict: Verdict | undefined
  readonly text: string
}

export interface ShadowData {
  readonly name: string
  readonly rate: number
  readonly rows: number
  readonly agreement: number
  readonly candidateFailed: number
  readonly worst: readonly { readonly id: string; readonly part: string; readonly size: number; readonly primary: string; readonly candidate: string }[]
}

export interface DashboardData {
  readonly v: 1
  readonly title: string
  readonly at: number
  /** Since when it watches. */
  readonly startedAt: number
  readonly predictors: readonly PredictorData[]
  readonly objectives: Alerts['status']
  readonly drift: readonly DriftData[]
  readonly rollouts: readonly RolloutData[]
  readonly shadows: readonly ShadowData[]
  /** Parts that could not be read, and why: a part that fails hides no other. */
  readonly failed: readonly { readonly part: string; readonly error: string }[]
}
