/** What needs somebody: the first thing that the page says. */
import type { DashboardData } from '../dashboard-data.js'
import { clean, percent, plural, short, span } from './format.js'

export interface Matter {
  /** `bad` concerns callers now; `watch` will. */
  readonly level: 'bad' | 'watch'
  readonly text: string
  /** The section that says more. */
  readonly to: 'healthy' | 'served' | 'changed' | 'wrong'
}

/** Of the last five minutes. */
const recentSteps = 20
const failureShare = 0.01
const fewest = 20
const recentMs = 24 * 3_600_000

export const matters = ({ at, predictors, objectives, drift, rollouts, failed }: DashboardData): Matter[] => {
  const found: Matter[] = []
  for (const { name, isBurning, told, rules } of objectives) {
    if (!isBurning && told === undefined) continue
    const worst = [...rules].filter((rule) => rule.isBurning).sort((a, b) => b.long - a.long)[0]
    found.push({ level: told === 'ticket' || worst?.severity === 'ticket' ? 'watch' : 'bad', to: 'healthy', text: worst === undefined ? `${clean(name)} has just burned its error budget too fast` : `${clean(name)} burns its error budget ${short(worst.long)} times too fast` })
  }
  for (const { name, isReady, breakers, series } of predictors) {
    if (!isReady) found.push({ level: 'bad', to: 'healthy', text: `${clean(name)} is not ready` })
    for (const { subject, to, at: since } of breakers) if (to === 'open' || to === 'isolated') found.push({ level: 'bad', to: 'healthy', text: `the circuit breaker of ${clean(subject)} is ${to} for ${span(at - since)}` })
    const sum = (counts: readonly number[]): number => counts.slice(-recentSteps).reduce((total, one) => total + one, 0)
    const rows = sum(series.rows)
    if (rows >= fewest && sum(series.failed) / rows > failureShare) found.push({ level: 'bad', to: 'wrong', text: `${percent(sum(series.failed) / rows)} of the calls of ${clean(name)} failed in the last five minutes` })
    if (rows >= fewest && sum(series.degraded) / rows > 10 * failureShare) found.push({ level: 'watch', to: 'wrong', text: `${percent(sum(series.degraded) / rows)} of the answers of ${clean(name)} came from a fallback or were stale in the last five minutes` })
  }
  for (const { name, end, held, stage } of rollouts) {
    if (stage === 'rolled-back' && end !== undefined && at - end.at < recentMs) found.push({ level: 'watch', to: 'served', text: `the rollout ${clean(name)} was rolled back ${span(at - end.at)} ago` })
    if (held !== undefined) found.push({ level: 'watch', to: 'served', text: `the rollout ${clean(name)} is held by ${clean(held.by)}` })
  }
  for (const { name, state, features } of drift) {
    const drifted = features.filter((feature) => feature.state === 'drifted')
    if (state === 'drifted' || drifted.length > 0) found.push({ level: 'watch', to: 'changed', text: `${drifted.length > 0 ? plural(drifted.length, 'feature') : 'the window before'} of ${clean(name)} ${drifted.length === 1 || drifted.length === 0 ? 'differs' : 'differ'} from the reference${drifted.length > 0 ? `: ${drifted.slice(0, 3).map(({ feature }) => clean(feature)).join(', ')}${drifted.length > 3 ? '…' : ''}` : ''}` })
  }
  for (const { part, error } of failed) found.push({ level: 'watch', to: 'healthy', text: `${clean(part)} could not be looked at: ${clean(error)}` })
  return found.sort((a, b) => (a.level === b.level ? 0 : a.level === 'bad' ? -1 : 1))
}
