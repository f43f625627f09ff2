/** Our OpenMetrics text against Prometheus' own client for Python, whose parser takes nothing that the specification does not. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pipe, predictor } from 'outrigger'
import { modelMetrics, openMetricsText } from 'outrigger/observe'
import { full, hostile } from '../../observe/metrics/_full-registry.js'
import { check, type Judge } from '../judge.js'
import { venv } from '../venv.js'

const version = '0.26.0'
type Family = readonly [name: string, type: string, unit: string, help: string, samples: readonly (readonly [string, Readonly<Record<string, string>>, string, Readonly<Record<string, string>> | null])[]]

const expect = (seen: unknown, wanted: unknown): void => {
  if (JSON.stringify(seen) !== JSON.stringify(wanted)) throw new Error(`seen: ${JSON.stringify(seen)}, wanted: ${JSON.stringify(wanted)}`)
}

export const judge: Judge = async () => {
  const home = await venv(`prometheus-client-${version}`, [`prometheus_client==${version}`])
  const program = fileURLToPath(new URL('parse.py', import.meta.url))
  const read = (text: string): Family[] => {
    const { status, stdout, stderr } = spawnSync(join(home, 'bin/python'), [program], { input: text, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1))
    return JSON.parse(stdout) as Family[]
  }
  const everything = openMetricsText(full())
  const checks = [
    await check('families, types and units', () => {
      const seen = read(everything).map(([name, type, unit]) => `${name} ${type} ${unit}`.trim())
      expect(seen, ['app_requests counter', 'app_duration_seconds histogram seconds', 'app_ratio gauge ratio', 'app_size_bytes gauge bytes', 'app_speed_meters_per_second gauge meters_per_second', 'app_build info', 'app_watched gauge'])
      return seen.join(', ')
    }),
    await check('hostile values arrive as they were', () => {
      const paths = (read(everything)[0] as Family)[4].flatMap(([, labels]) => labels['path'] ?? [])
      expect(paths, hostile.map((value) => value.replaceAll(/\p{Surrogate}/gu, '\ufffd')))
      return `${paths.length} values`
    }),
    await check('what is past the cap is one series', () => {
      const samples = (read(everything)[0] as Family)[4]
      const overflow = samples.filter(([, labels]) => labels['otel_metric_overflow'] === 'true').map(([, , value]) => Number(value))
      expect([samples.length, overflow], [40, [100 - (39 - hostile.length)]])
      return `${samples.length} series, ${overflow[0]} in the overflow`
    }),
    await check('an exemplar has its trace and its prediction', () => {
      const exemplars = (read(everything)[1] as Family)[4].flatMap(([, , , exemplar]) => (exemplar === null ? [] : [exemplar]))
      expect(exemplars, [{ trace_id: '0af7651916cd43dd8448eb211c80319c', prediction_id: 'flight-7' }])
      return JSON.stringify(exemplars[0])
    }),
    await check('the metrics of predictions', async () => {
      const metrics = modelMetrics()
      const predict = pipe(predictor((km: number) => km, { name: 'delay', version: '3', digest: 'a'.repeat(64) }))
      predict.observe(metrics.observer)
      for (let km = 0; km < 10; km += 1) await predict(km)
      const families = read(openMetricsText(metrics))
      const requests = families.find(([name]) => name === 'ml_inference_requests')?.[4]
      expect(requests?.map(([, , value]) => Number(value)), [10])
      return `${families.length} families`
    }),
    await check('what is wrong is refused', () => {
      for (const wrong of ['# TYPE a counter\na 1\n# EOF\n', 'a 1\n', '# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n']) {
        try {
          read(wrong)
        } catch {
          continue
        }
        throw new Error(`taken: ${wrong}`)
      }
      return '3 texts'
    }),
  ]
  return { versions: { prometheus_client: version }, checks }
}
