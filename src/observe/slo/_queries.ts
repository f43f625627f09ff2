/** The good and all events of an objective as PromQL. The only place that knows names of metrics. */

/** For a range such as `5m`, and matchers such as `job="flights"`. */
export type ObjectiveQuery = (range: string, matchers: readonly string[]) => { readonly good: string; readonly total: string }

const selector = (metric: string, matchers: readonly string[]): string => (matchers.length === 0 ? metric : `${metric}{${matchers.join(',')}}`)
const rate = (metric: string, matchers: readonly string[], range: string): string => `sum(rate(${selector(metric, matchers)}[${range}]))`

/** By `ml.inference.requests`. */
export const requestQuery = (byModel: boolean, ignored: readonly string[]): ObjectiveQuery => (range, matchers) => {
  const counted = [...(ignored.length === 0 ? [] : [`error_type!~"${ignored.join('|')}"`]), ...matchers]
  const good = ['ml_outcome="ok"', ...(byModel ? ['ml_source!~"fallback|stale"'] : []), ...matchers]
  // The overflow's rows have no outcome: they would all be bad.
  return { good: rate('ml_inference_requests_total', good, range), total: rate('ml_inference_requests_total', ['ml_outcome!~"aborted|"', ...counted], range) }
}

/** By `ml.inference.duration`. A bound is `1` in the one format of Prometheus, and `1.0` in the other. */
export const latencyQuery = (thresholdMs: number): ObjectiveQuery => {
  const bound = String(thresholdMs / 1000)
  const le = bound.includes('.') ? `le="${bound}"` : `le=~"${bound}(\\\\.0)?"`
  return (range, matchers) => ({
    good: rate('ml_inference_duration_seconds_bucket', ['ml_outcome="ok"', le, ...matchers], range),
    total: rate('ml_inference_duration_seconds_count', ['ml_outcome="ok"', ...matchers], range),
  })
}

/** By what `alerts` counts. */
export const sloQuery = (name: string): ObjectiveQuery => (range, matchers) => {
  const own = [`ml_slo="${name}"`, ...matchers]
  return { good: rate('ml_slo_events_total', [...own, 'ml_slo_good="true"'], range), total: rate('ml_slo_events_total', own, range) }
}

/** By what the user says; matchers are theirs to write. */
export const customQuery = (query: (range: string) => { readonly good: string; readonly total: string }): ObjectiveQuery => (range) => {
  const { good, total } = query(range)
  return { good: `(${good})`, total: `(${total})` }
}
