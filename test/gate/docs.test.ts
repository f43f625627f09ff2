import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => `docs/${name.replaceAll('\\', '/')}`)]
const prose = (path: string): string => read(path).replaceAll(/^```.*?^```/gms, '')

/** As GitHub makes them from headings; and those that a page sets itself. */
const anchorsOf = (path: string): Set<string> => {
  const text = prose(path)
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => (heading as string).toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'))
  return new Set([...headings, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id as string)])
}

const linksOf = (path: string): { readonly target: string; readonly anchor: string | undefined; readonly text: string }[] =>
  [...prose(path).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, text]) => text as string)
    .filter((text) => !/^[a-z]+:/.test(text))
    .map((text) => {
      const [file, anchor] = text.split('#') as [string, string?]
      return { target: file === '' ? path : relative(root, join(root, dirname(path), file)).replaceAll('\\', '/'), anchor, text }
    })

test('every link of the docs leads to a file, and to a heading of it', () => {
  const broken = pages.flatMap((path) =>
    linksOf(path)
      .filter(({ target, anchor }) => !existsSync(join(root, target)) || (anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor)))
      .map(({ text }) => `${path}: ${text}`),
  )
  expect(broken).toEqual([])
})

test('every page of the docs is reached from README.md or docs/concepts.md, and those of single detectors from docs/which-detector.md', () => {
  const from = (path: string): string[] => linksOf(path).map(({ target }) => target)
  const linked = new Set(['docs/concepts.md', ...from('README.md'), ...from('docs/concepts.md'), ...from('docs/which-detector.md').filter((path) => path.startsWith('docs/detectors/'))])
  expect(pages.filter((path) => path.startsWith('docs/') && !linked.has(path))).toEqual([])
})

test('docs/events.md names every mark and every warning that src can make', () => {
  const src = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => read(join('src', path)))
    .join('\n')
  const marks = [...src.matchAll(/\.mark\(([^\n]*)\)/g)].flatMap(([, argument]) => [...(argument as string).matchAll(/['`]([a-z]+-[^'`]+|hedged|isolated)['`]/g)].map(([, mark]) => mark as string))
  const warnings = [...src.matchAll(/'(OUTRIGGER_[A-Z_]+)'/g)].map(([, code]) => code as string)
  expect(new Set(marks).size).toBeGreaterThanOrEqual(7)
  expect(new Set(warnings).size).toBeGreaterThanOrEqual(6)
  const page = read('docs/events.md')
  // What is filled in is told by an example.
  const example = (word: string): RegExp => new RegExp(`\`${word.split(/\$\{[^}]*\}/).map((part) => part.replace(/[^a-zA-Z0-9]/g, '\\$&')).join('[^`]+')}\``)
  expect([...marks, ...warnings].filter((word) => !example(word).test(page))).toEqual([])
})

/** Where the options of a file's exports are told, apart from the page that has the name of the file. */
const pageOf: Readonly<Record<string, string>> = {
  'resilience/adaptive-limit': 'adaptive-concurrency',
  'resilience/answer-checks': 'circuit-breaker',
  'resilience/breaker-control': 'circuit-breaker',
  'resilience/circuit-breaker-options': 'circuit-breaker',
  'resilience/golden-probe': 'circuit-breaker',
  'resilience/slow-calls': 'circuit-breaker',
  'resilience/time-window': 'circuit-breaker',
  'resilience/_loop-watch': 'load-shedding',
  'resilience/redis-rate-limit': 'rate-limit',
  'cache/memory-store': 'cache-stores',
  'cache/redis-store': 'cache-stores',
  'cache/tiered-store': 'cache-stores',
  'batch/micro-batched': 'micro-batching',
  'batch/csv-file': 'scoring-jobs',
  'batch/parquet-file': 'scoring-jobs',
  'batch/score-batch': 'scoring-jobs',
  'batch/scoring-job': 'scoring-jobs',
  'batch/scoring-options': 'scoring-jobs',
}

const optionsOf = (text: string): string[] =>
  [...text.matchAll(/^export interface \w*(?:Options|Settings|HedgeTarget)\b[^\n]*\{\n(.*?)^\}/gms)].flatMap(([, body]) => [...(body as string).matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name as string))

test('every option of resilience, cache, batch and compose is told on a page, by its name', () => {
  const files = ['resilience', 'cache', 'batch', 'compose', 'policy'].flatMap((folder) => readdirSync(join(root, 'src', folder)).map((name) => `${folder}/${name.slice(0, -3)}`))
  const told = files.filter((file) => file in pageOf || existsSync(join(root, 'docs', `${file.split('/')[1]}.md`)))
  const options = told.flatMap((file) => optionsOf(read(`src/${file}.ts`)).map((name) => ({ page: `docs/${pageOf[file] ?? file.split('/')[1]}.md`, name })))
  expect(options.length).toBeGreaterThan(150)
  const wordsOf = (page: string): Set<string> => new Set([...prose(page).matchAll(/`[^`\n]+`/g)].flatMap(([code]) => code.match(/\w+/g) ?? []))
  expect(options.filter(({ page, name }) => !wordsOf(page).has(name))).toEqual([])
})

test('every detector has a page with its formula, options, cost, when it misleads, what was measured and its source', () => {
  const detectors = pages.filter((path) => path.startsWith('docs/detectors/'))
  const exported = [...read('src/drift/index.ts').matchAll(/\b(?:\w+Drift|adwin|cusum|ddm|eddm|hddm[AW]|kswin|pageHinkley|\w+EDetector|(?:performance|error)Estimator)\b(?=[ ,}])/g)].map(([name]) => name).filter((name) => /^[a-z]/.test(name))
  expect(exported.length).toBeGreaterThanOrEqual(21)
  const titles = detectors.map((path) => /^# (.*)$/m.exec(read(path))?.[1])
  expect(new Set(titles)).toEqual(new Set(exported))
  for (const path of detectors) {
    expect(read(path), path).toContain('```ts\n')
    for (const heading of [/^## Formula$/m, /^## Options$/m, /^## Cost( and state)?$/m, /^## When it misleads$/m, /^## Measured$/m, /^## Reference$/m]) expect(prose(path), path).toMatch(heading)
  }
})
