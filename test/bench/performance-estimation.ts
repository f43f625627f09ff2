/**
 * Estimates without labels, on a year of real flights: how far off, and how often the interval holds. Make the scores with performance-estimation.py, then
 * `node --import tsx test/bench/performance-estimation.ts /tmp/flights.csv`. docs/performance-estimation.md has the table.
 */
import { readFileSync } from 'node:fs'
import { performanceEstimator, type MetricEstimate, type PerformanceEstimate } from '../../src/drift/index.js'
import { auc } from '../../src/stats/index.js'
import { seeded } from '../drift/_seeded.js'

interface Row {
  readonly month: number
  readonly day: number
  readonly label: number
  readonly score: number
}
const [header = '', ...lines] = readFileSync(process.argv[2] ?? '/tmp/flights.csv', 'utf8').trim().split('\n')
const columns = header.split(',')
const rowsOf = (model: string): Row[] =>
  lines.map((line) => {
    const cells = line.split(',').map(Number)
    const at = (name: string): number => cells[columns.indexOf(name)] as number
    return { month: at('month'), day: at('day'), label: at('late'), score: at(model) }
  })

const metrics = ['accuracy', 'precision', 'recall', 'f1', 'auc'] as const
const truth = (rows: readonly Row[]): Record<(typeof metrics)[number], number> => {
  const count = (isPositive: boolean, label: number): number => rows.filter((row) => row.score >= 0.5 === isPositive && row.label === label).length
  const [tp, fp, fn, tn] = [count(true, 1), count(true, 0), count(false, 1), count(false, 0)]
  return { accuracy: (tp + tn) / rows.length, precision: tp / (tp + fp), recall: tp / (tp + fn), f1: (2 * tp) / (2 * tp + fp + fn), auc: auc(rows.map(({ score }) => score), rows.map(({ label }) => label)) }
}

for (const model of ['schedule', 'departure']) {
  const rows = rowsOf(model)
  const january = rows.filter(({ month }) => month === 1)
  const months = Array.from({ length: 11 }, (_, i) => rows.filter(({ month }) => month === i + 2))
  const rules: Record<string, { readonly blocks: boolean; readonly labelled: number }> = {
    'rows': { blocks: false, labelled: 0 },
    'days as blocks': { blocks: true, labelled: 0 },
    '2 % of the labels': { blocks: true, labelled: 0.02 },
    '10 % of the labels': { blocks: true, labelled: 0.1 },
  }
  for (const [rule, { blocks, labelled }] of Object.entries(rules)) {
    const estimator = performanceEstimator({ reference: january.map(({ score, label, day }) => (blocks ? { score, label, block: day } : { score, label })) })
    const random = seeded(1)
    const found = months.map((month): { readonly estimate: PerformanceEstimate; readonly shown: ReturnType<typeof truth> } => {
      const window = estimator.window()
      for (const { score, label } of month) {
        window.count(score)
        if (random.uniform() < labelled) window.label(score, label)
      }
      const options = { blocks: blocks ? new Set(month.map(({ day }) => day)).size : 1 }
      return { estimate: labelled > 0 ? estimator.corrected(window, options) : estimator.estimate(window, options), shown: truth(month) }
    })
    const cells = metrics.map((metric) => {
      const pairs = found.flatMap(({ estimate, shown }) => (estimate[metric] === undefined ? [] : [{ estimate: estimate[metric] as MetricEstimate, shown: shown[metric] }]))
      if (pairs.length === 0) return `${metric} –`
      const error = pairs.reduce((sum, { estimate, shown }) => sum + Math.abs(estimate.value - shown), 0) / pairs.length
      const held = pairs.filter(({ estimate, shown }) => estimate.low <= shown && shown <= estimate.high).length
      const width = pairs.reduce((sum, { estimate }) => sum + estimate.high - estimate.low, 0) / pairs.length
      return `${metric} ${error.toFixed(4)}, ${held}/11, ${width.toFixed(3)} wide`
    })
    console.log(`${model}, ${rule} (${estimator.calibration}, spread of blocks ${estimator.blockSpread.toFixed(2)}; ${[...new Set(found.map(({ estimate }) => estimate.state))].join(' ')}): ${cells.join(' | ')}`)
  }
}
