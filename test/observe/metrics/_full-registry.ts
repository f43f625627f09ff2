/** A registry with everything that the texts can have, for the judges of these. */
import { MetricRegistry } from 'outrigger/observe'
import { fakeClock } from 'outrigger/testing'

/** Values that break texts. */
export const hostile = ['"', '\\', '\n', '\r', '\\n', '"} 1\n# EOF', '\0', 'ü€😀', '{}', ',', '=', '#', ' '.repeat(10), '\ud800', '<script>']

/** Everything that a text can have. */
export const full = (): MetricRegistry => {
  const registry = new MetricRegistry({ maxSeries: 40, clock: fakeClock() })
  const counter = registry.counter({ name: 'app.requests', unit: '{request}', description: 'A "quoted" text,\nwith \\ and a line break.', attributes: ['user.name', 'path'] })
  for (const value of hostile) counter.add(1, { 'user.name': value, path: value })
  for (let user = 0; user < 100; user += 1) counter.add(1, { 'user.name': user })
  const duration = registry.histogram({ name: 'app.duration', unit: 's', description: 'How long it takes.', attributes: ['user.name'] })
  const series = duration.bind({ 'user.name': 'ann' })
  series.record(0.003, { labels: { trace_id: '0af7651916cd43dd8448eb211c80319c', prediction_id: 'flight-7' }, value: 0.003, at: 1_700_000_000_123 })
  series.record(20)
  duration.record(0.5, { 'user.name': '"\n' })
  registry.gauge({ name: 'app.ratio', unit: '1', description: 'A ratio.' }).set(Number.NaN)
  registry.gauge({ name: 'app.size', unit: 'By', description: 'A size.' }).set(1e21)
  registry.gauge({ name: 'app.speed', unit: 'm/s', description: 'A speed.', attributes: ['x'] }).set(-Infinity, { x: 1 })
  registry.info({ name: 'app.build', description: 'The build.', attributes: ['version'] }).set(1, { version: '1.2' })
  registry.watch('app.watched', () => 3)
  return registry
}
