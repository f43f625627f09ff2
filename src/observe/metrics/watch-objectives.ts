import type { Alerts } from '../slo/alerts.js'
import type { MetricRegistry } from './metric-registry.js'
import { modelMetricDefinitions, type ModelMetricDefinition } from './model-metrics-definitions.js'

/**
 * Tells the objectives that `alerts` watches: `ml.slo.events`, of which the rules of `prometheusRules` are made, and what is left
 * of each budget.
 *
 * @returns what ends it
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when an objective of that name is told already
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { alerts, modelMetrics, objectives, prometheusText, watchObjectives } from 'outrigger/observe'
 * const watch = alerts({ objectives: objectives([{ kind: 'availability', objective: 0.99 }]) })
 * const metrics = modelMetrics()
 * watchObjectives(metrics, watch)
 * const predict = pipe((x: number) => x + 1)
 * predict.observe(watch.observer)
 * await predict(1)
 * assert.ok(prometheusText(metrics).includes('ml_slo_events_total{ml_slo="availability",ml_slo_good="true"} 1'))
 * await watch.close()
 * ```
 */
export const watchObjectives = (registry: MetricRegistry, watched: Pick<Alerts, 'status'>): (() => void) => {
  const stops: (() => void)[] = []
  const watch = ({ name, kind, description, unit = '' }: ModelMetricDefinition<'counter' | 'gauge'>, read: () => number, attributes: Record<string, string | boolean>): void =>
    void stops.push(registry.watch(name, read, { kind, description, unit, attributes }))
  watched.status.forEach(({ name }, index) => {
    const status = () => watched.status[index]
    watch(modelMetricDefinitions.sloEvents, () => status()?.counted.bad ?? Number.NaN, { 'ml.slo': name, 'ml.slo.good': false })
    watch(modelMetricDefinitions.sloEvents, () => countedGood(status()?.counted), { 'ml.slo': name, 'ml.slo.good': true })
    watch(modelMetricDefinitions.sloBudget, () => status()?.budgetLeft ?? Number.NaN, { 'ml.slo': name })
  })
  return () => {
    for (const stop of stops) stop()
  }
}

const countedGood = (counted: { readonly events: number; readonly bad: number } | undefined): number => (counted === undefined ? Number.NaN : counted.events - counted.bad)
