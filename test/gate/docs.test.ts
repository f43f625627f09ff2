import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]
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

test('every page of the docs is reached from README.md or docs/concepts.md', () => {
  const linked = new Set(['docs/concepts.md', ...['README.md', 'docs/concepts.md'].flatMap((path) => linksOf(path).map(({ target }) => target))])
  expect(pages.filter((path) => path.startsWith('docs/') && !linked.has(path))).toEqual([])
})

test('docs/events.md names every mark and every warning that src can make', () => {
  const src = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => read(join('src', path)))
    .join('\n')
  const marks = [...src.matchAll(/\.mark\(([^\n]*)\)/g)].flatMap(([, argument]) => [...(argument as string).matchAll(/['`]([a-z]+-[^'`]+|hedged|isolated)['`]/g)].map(([, mark]) => (mark as string).replace(/\$\{[^}]*\}/, '1')))
  const warnings = [...src.matchAll(/'(OUTRIGGER_[A-Z_]+)'/g)].map(([, code]) => code as string)
  expect(new Set(marks).size).toBeGreaterThanOrEqual(7)
  expect(new Set(warnings).size).toBeGreaterThanOrEqual(6)
  const page = read('docs/events.md')
  expect([...marks, ...warnings].filter((word) => !page.includes(`\`${word}\``))).toEqual([])
})
