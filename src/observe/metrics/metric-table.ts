/** When each metric moves, and what to do about it: for docs/metrics.md. Apart from the definitions, as no service loads these texts. */
import type { ModelMetricDefinitions } from './model-metrics-definitions.js'

/** What a person on call wants to know of a metric. */
export interface MetricAdvice {
  readonly moves: string
  readonly action: string
}

export const metricTable: Readonly<Record<keyof ModelMetricDefinitions, MetricAdvice>> = {
  duration: { moves: 'Once per call, once per batch run, when it settles.', action: 'If the upper quantiles climb, compare with `ml.model.duration` and `ml.queue.duration`: what grows with it is where the time goes.' },
  requests: { moves: 'Once per row, when it settles.', action: 'Alert on the share with an `ml.outcome` other than `ok`; `error.type` says which. A growing share of the sources `fallback` and `stale` means that callers get answers, but not the model\'s.' },
  attempts: { moves: 'With `ml.inference.requests`, by the attempts of the row.', action: 'If attempts per request climb, something retries: look for the cause before the budget of extra work runs out.' },
  marks: { moves: 'Once per mark of a record; only by the observer.', action: 'See [the marks](events.md#the-record).' },
  batchSize: { moves: 'Once per batch run.', action: 'If runs stay small under load, look at the objective and the wait of `microBatched`.' },
  queue: { moves: 'Once per call that waited.', action: 'If it climbs there is too little room for the traffic: more instances, or a higher limit if the model has idle capacity.' },
  modelDuration: { moves: 'Once per call or run that asked the model; only by the observer.', action: 'If it climbs the model itself is slower: a new version, larger inputs, a busy machine.' },
  cache: { moves: 'Once per row that passed a cache.', action: 'If the share of `hit` falls, look at new versions (they start with an empty cache), keys and `ttlMs`.' },
  fallback: { moves: 'Once per answer of a rung or stage.', action: 'The rung says how poor the answers are; the breaker and `error.type` say why the model did not answer.' },
  breaker: { moves: 'When a circuit breaker changes its state. There is no series before the first change.', action: 'Alert on `open`. The `reason` and `data` of the event say why.' },
  layerState: { moves: 'When a layer changes its state: `retry`, `hedge`, `load-shedding`, `cached`, `micro-batched`, `shadow`, `validated`, `output-checked`, sources and isolates.', action: 'See [by layer](events.md#by-layer).' },
  changes: { moves: 'At each `state` event.', action: 'A breaker or a shedder that changes often is flapping: its limits are too near to the usual traffic.' },
  notices: { moves: 'At each `notice` event.', action: 'Read the log: each has a message and mostly an error.' },
  limit: { moves: 'When the limit has changed by a quarter.', action: 'If it falls the model has become slower under load.' },
  drift: { moves: 'When a monitor goes to or from `drifted`.', action: 'Look at the verdict: which feature, which cells, and what its findings call it.' },
  driftScore: { moves: 'When a monitor raises drift; ends when it is over. To have it all the time, `watch` a verdict.', action: 'The feature with the highest score comes first.' },
  info: { moves: 'Version by version, as they go live; for a stack without a loader, at the first call.', action: 'Join by `ml_model_version` to see when numbers changed with a release.' },
  swaps: { moves: 'When a loader makes a version live.', action: 'Compare with when other numbers changed.' },
  quarantined: { moves: 'When a loader refuses a version.', action: 'The `model-loader` event has the stage, the row and what was expected.' },
  load: { moves: 'When a version has passed the gate, or was refused in it.', action: 'If it climbs, look at the size of the files and the time of the warm-up rows.' },
  rollout: { moves: 'When a rollout goes on, ends or is rolled back.', action: 'Alert on `rolled-back`. The event says by which evidence.' },
  rolloutShare: { moves: 'When a rollout goes a step.', action: 'If it stays, a person has to approve, or evidence is missing: `rollout.status` says which.' },
  weight: { moves: 'When the weights of a split are set.', action: 'Compare with the shares of `ml_route_variant` in the requests: a difference is a sample ratio mismatch.' },
  sloEvents: { moves: 'When the metrics are read; needs `watchObjectives`.', action: 'Nothing by itself: [the rules](alerts.md#in-prometheus-and-grafana) are made of it.' },
  sloBudget: { moves: 'When the metrics are read; needs `watchObjectives`.', action: 'Near 0, release nothing risky. See [thresholds](thresholds.md).' },
  series: { moves: 'When the metrics are read.', action: 'At 2 000 (`maxSeries`) there is an overflow: find the attribute that somebody else fills.' },
}
