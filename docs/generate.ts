/**
 * Writes the pages that are made from the code: `npm run docs`. With `--check` it writes nothing and fails if a page
 * is not in step; the gate does that.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { errorTable } from '../src/core/error-table.js'
import { errorSpecs, type ErrorCode } from '../src/core/errors.js'
import { metricTable } from '../src/observe/metrics/metric-table.js'
import { modelMetricDefinitions, type ModelMetricDefinitions } from '../src/observe/metrics/model-metrics-definitions.js'
import { sampleName } from '../src/observe/metrics/exposition.js'
import { grafanaDashboard } from '../src/observe/slo/grafana-dashboard.js'
import { prometheusRules } from '../src/observe/slo/prometheus-rules.js'
import { slo } from './observability/objectives.js'

const anchor = (code: string): string => code.toLowerCase()

/** `docs/errors.md`. */
const errors = (): string => {
  const rows = (Object.keys(errorTable) as ErrorCode[]).map((code) => [code, { ...errorSpecs[code], ...errorTable[code] }] as const)
  return [
    '# Errors',
    '',
    '<!-- Made by docs/generate.ts from src/core/error-table.ts: change the table there, then run `npm run docs`. -->',
    '',
    'Every error of outrigger has a `name`, a stable `code`, a `cause` where there is one, and fields with its data. Recognise an',
    'error by its `code`: `instanceof` fails across two copies of a package. `outcome` is how records and metrics count a call that',
    'ends with it.',
    '',
    '| code | class | outcome |',
    '|---|---|---|',
    ...rows.map(([code, { name, outcome }]) => `| [\`${code}\`](#${anchor(code)}) | \`${name}\` | \`${outcome}\` |`),
    '',
    ...rows.flatMap(([code, { name, when, fix }]) => [`## ${code}`, '', `\`${name}\`. ${when}`, '', `**What to do.** ${fix}`, '']),
  ].join('\n')
}

/** The part of `docs/metrics.md` between its marks. */
const metrics = (page: string): string => {
  const start = '<!-- Made by docs/generate.ts from src/observe/metrics: change the tables there, then run `npm run docs`. -->'
  const end = '<!-- End of what is made. -->'
  const rows = (Object.keys(modelMetricDefinitions) as (keyof ModelMetricDefinitions)[]).map((key) => ({ ...modelMetricDefinitions[key], ...metricTable[key] }))
  const made = [
    start,
    '',
    '| metric, and its name in `/metrics` | type | unit | attributes | what it is |',
    '|---|---|---|---|---|',
    ...rows.map(({ name, kind, unit = '', attributes = [], description }) => `| \`${name}\`<br>\`${sampleName(kind, { name, unit })}\` | ${kind} | ${unit === '' ? '–' : `\`${unit}\``} | ${attributes.map((attribute) => `\`${attribute}\``).join(', ') || '–'} | ${description} |`),
    '',
    '| metric | when it moves | what to do |',
    '|---|---|---|',
    ...rows.map(({ name, moves, action }) => `| \`${name}\` | ${moves} | ${action} |`),
    '',
    end,
  ].join('\n')
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error('docs/metrics.md has lost the marks around its tables')
  return page.slice(0, from) + made + page.slice(to + end.length)
}

const service = { source: 'predictions' }

/** By path; one that is made in part is given what is there. */
const pages: Readonly<Record<string, (current: string) => string>> = {
  'docs/errors.md': errors,
  'docs/metrics.md': metrics,
  'docs/observability/rules.yml': () => prometheusRules(slo, service),
  'docs/observability/dashboard.json': () => `${JSON.stringify(grafanaDashboard(slo, service), null, 1)}\n`,
}

const check = process.argv.includes('--check')
for (const [path, make] of Object.entries(pages)) {
  const current = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  const text = make(current ?? '')
  if (current === text) continue
  if (check) {
    console.error(`${path} is not in step with the code: run npm run docs`)
    process.exitCode = 1
  } else {
    writeFileSync(path, text)
    console.log(`wrote ${path}`)
  }
}
