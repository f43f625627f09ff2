/**
 * What the batch detectors are worth: false alarms on unchanged data, power, coverage of the effect's interval, cost.
 * `node --import tsx test/bench/batch-detectors.ts [runs]`: 2000 runs by default, some minutes; docs/batch-detectors.md has the tables.
 */
import { chiSquareDrift, domainClassifierDrift, hellingerDrift, jensenShannonDrift, kolmogorovSmirnovDrift, mmdDrift, pcaReconstructionDrift, populationStabilityDrift, wassersteinDrift, type BatchDetectorOptions, type BatchVerdict, type ShuffledDetectorOptions } from '../../src/drift/index.js'
import { categories, cleanCategories, cleanNumbers, embeddings, even, normal, share, type Clean, type Draw } from '../drift/batch-detectors/_settings.js'
import { coverage, found, meanEffect, rowsNeeded, type EmbeddingDetector } from '../drift/batch-detectors/_embedding-coverage.js'
import { seeded } from '../drift/_seeded.js'

const runs = Number(process.argv[2] ?? 2000)
const only = process.argv[3]
type Detector = (reference: never, live: never, options: BatchDetectorOptions) => BatchVerdict
const unshuffled = ({ permutations: _, ...rest }: ShuffledDetectorOptions): BatchDetectorOptions => rest
const shuffles = { permutations: 199 }
const ofShares: Record<string, Detector> = {
  'chi-square': (a, b, o) => chiSquareDrift(a, b, unshuffled(o)),
  'g': (a, b, o) => chiSquareDrift(a, b, { ...unshuffled(o), statistic: 'g' }),
  'jensen-shannon': (a, b, o) => jensenShannonDrift(a, b, { ...shuffles, ...o }),
  'hellinger': (a, b, o) => hellingerDrift(a, b, { ...shuffles, ...o }),
  'psi': (a, b, o) => populationStabilityDrift(a, b, { ...shuffles, ...o }),
}
const ofNumbers: Record<string, Detector> = {
  'kolmogorov-smirnov': (a, b, { alpha = 0.05 }) => kolmogorovSmirnovDrift(a, b, { alpha }),
  'wasserstein': (a, b, o) => wassersteinDrift(a, b, { ...shuffles, ...o }),
  ...ofShares,
}
const percent = (value: number): string => `${(100 * value).toFixed(1)}`
const show = (name: string, values: readonly string[]): void => console.log(`| ${[name, ...values].join(' | ')} |`)
const wanted = (part: string): boolean => only === undefined || only === part

const falseAlarms = <T>(detectors: Record<string, Detector>, { name, draw, reference, live }: Clean<T>): void =>
  show(name, Object.values(detectors).map((detect) => percent(share(runs, (random, run) => detect(draw(random, reference) as never, draw(random, live) as never, { seed: run }).pValue <= 0.05))))

if (wanted('clean')) {
  console.log(`False alarms, % of ${runs} runs with p ≤ .05`)
  show('shares', Object.keys(ofShares))
  for (const setting of cleanCategories) falseAlarms(ofShares, setting)
  show('numbers', Object.keys(ofNumbers))
  for (const setting of cleanNumbers) falseAlarms(ofNumbers, setting)
}

/** The effect that very many rows show; the detectors take chance off, so that it is that of the distributions. */
const truth = <T>(detect: Detector, before: Draw<T>, after: Draw<T>, [n, m]: readonly [number, number], options: object): number => {
  const random = seeded(99)
  return detect(before(random, 400_000) as never, after(random, (400_000 * m) / n) as never, { ...options, permutations: 19, alpha: 0.5 } as never).effect.value
}
interface Change {
  readonly name: string
  readonly before: Draw<never>
  readonly after: Draw<never>
}
const tilted = (k: number, by: number): number[] => even(k).map((part, cell) => part * (1 + by * (cell % 2 === 0 ? 1 : -1)))
const shiftedNumbers: Change[] = [
  { name: 'normal, unchanged', before: normal() as never, after: normal() as never },
  { name: 'normal, mean + .1', before: normal() as never, after: normal(0.1) as never },
  { name: 'normal, mean + .3', before: normal() as never, after: normal(0.3) as never },
  { name: 'normal, mean + 1', before: normal() as never, after: normal(1) as never },
  { name: 'normal, spread × 1.5', before: normal() as never, after: normal(0, 1.5) as never },
]
const shiftedShares: Change[] = [0, 0.1, 0.3, 0.7].map((by) => ({ name: `10 categories ± ${by * 100} %`, before: categories(even(10)) as never, after: categories(tilted(10, by)) as never }))

const covered = (detectors: Record<string, Detector>, change: Change, [n, m]: readonly [number, number], options: object): void =>
  show(`${change.name}, ${n} / ${m}`, Object.values(detectors).map((detect) => {
    // In the same ratio of sizes, as cells are those of the pooled rows.
    const value = change.name.endsWith('unchanged') || change.name.includes('± 0') ? 0 : truth(detect, change.before, change.after, [n, m], options)
    let found = 0
    const covers = share(runs, (random, run) => {
      const { effect, state } = detect(change.before(random, n), change.after(random, m), { seed: run, ...options } as never)
      if (state === 'drifted') found += 1
      return effect.low <= value * (1 + 1e-9) && value <= effect.high
    })
    return `${percent(covers)} (${percent(found / runs)})`
  }))

if (wanted('coverage')) {
  const sizes = [[2000, 200], [1000, 1000]] as const
  console.log(`Coverage of the 95 % interval (alarms at the defaults), % of ${runs} runs`)
  show('numbers', Object.keys(ofNumbers).slice(0, 2))
  for (const change of shiftedNumbers) for (const size of sizes) covered({ 'kolmogorov-smirnov': ofNumbers['kolmogorov-smirnov']!, 'wasserstein': ofNumbers['wasserstein']! }, change, size, {})
  show('numbers in ten cells', Object.keys(ofShares))
  for (const change of shiftedNumbers) for (const size of sizes) covered(ofShares, change, size, { cells: 10 })
  show('shares', Object.keys(ofShares))
  for (const change of shiftedShares) for (const size of sizes) covered(ofShares, change, size, {})
}

if (wanted('cost')) {
  show('ms', ['1000 / 1000', '100 000 / 10 000'])
  for (const [name, detect] of Object.entries(ofNumbers)) {
    show(name, [[1000, 1000], [100_000, 10_000]].map(([n, m]) => {
      const random = seeded(1)
      const [before, after] = [normal()(random, n!) as never, normal()(random, m!) as never]
      const times = Array.from({ length: 5 }, () => {
        const start = performance.now()
        detect(before, after, { permutations: 999 } as never)
        return performance.now() - start
      })
      return times.sort((a, b) => a - b)[2]!.toFixed(1)
    }))
  }
}

if (wanted('rows')) {
  show('rowsNeeded beside a reference of', ['500', '2000', '100 000'])
  for (const [name, detect] of Object.entries(ofNumbers)) {
    show(name, [500, 2000, 100_000].map((n) => String(detect(normal()(seeded(1), n) as never, normal()(seeded(2), 300) as never, {}).rowsNeeded)))
  }
}

if (wanted('embeddings')) {
  console.log(`% of ${runs} runs of 8 columns with p ≤ .05 (drifted)`)
  const detectors = { mmdDrift, domainClassifierDrift, pcaReconstructionDrift } as unknown as Record<string, Detector>
  show('rows of reference / live', Object.keys(detectors))
  const settings = [['unchanged', 200, 20, 0, 1], ['unchanged', 200, 100, 0, 1], ['unchanged', 300, 300, 0, 1], ['three columns + .4', 300, 300, 0.4, 1], ['spread × 1.3', 300, 300, 0, 1.3]] as const
  for (const [name, n, m, shift, spread] of settings) {
    show(`${name}, ${n} / ${m}`, Object.entries(detectors).map(([detector, detect]) => {
      let drifted = 0
      const alarms = share(runs, (random, run) => {
        const { pValue, state } = detect(embeddings()(random, n) as never, embeddings(shift, spread)(random, m) as never, { seed: run, ...(detector === 'pcaReconstructionDrift' ? {} : { permutations: 99 }) } as never)
        if (state === 'drifted') drifted += 1
        return pValue <= 0.05
      })
      return `${percent(alarms)} (${percent(drifted / runs)})`
    }))
  }
}

// Long: only when asked for.
if (only === 'embedding-coverage') {
  const detectors: readonly EmbeddingDetector[] = ['mmdDrift', 'domainClassifierDrift', 'pcaReconstructionDrift']
  console.log(`Coverage of the 95 % interval, % of ${runs} runs of 8 columns`)
  show('rows of reference / live', detectors)
  for (const [name, change] of [['unchanged', {}], ['three columns + .4', { shift: 0.4 }], ['three columns + .8', { shift: 0.8 }], ['spread × 1.3', { spread: 1.3 }], ['spread × 1.6', { spread: 1.6 }]] as const) {
    for (const [reference, live] of [[400, 50], [300, 300]] as const) show(`${name}, ${reference} / ${live}`, detectors.map((detector) => percent(coverage(detector, { ...change, reference, live, runs }))))
  }
  console.log('With `rowsNeeded` rows: the mean effect, and % of runs that are drifted')
  for (const [detector, reference, change] of [['mmdDrift', 300, { shift: 0.73 }], ['domainClassifierDrift', 300, { shift: 0.4 }], ['domainClassifierDrift', 1000, { shift: 0.4 }], ['pcaReconstructionDrift', 400, { spread: 1.36 }], ['pcaReconstructionDrift', 1000, { spread: 1.36 }], ['pcaReconstructionDrift', 2000, { spread: 1.36 }]] as const) {
    const setting = { ...change, reference, live: rowsNeeded(detector, reference), runs }
    show(`${detector}, ${reference} / ${setting.live}`, [meanEffect(detector, setting).toFixed(3), percent(found(detector, setting))])
  }
}
