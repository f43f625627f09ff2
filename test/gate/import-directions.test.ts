import { expect, test } from 'vitest'
import { importProblems } from './import-directions.js'

const check = (files: Record<string, string>): string[] => importProblems(Object.entries(files).map(([path, text]) => ({ path, text })))
const a = 'export const a = 1\n'

test('importProblems is content with lower numbers, files, builtins and packages in their place', () => {
  expect(
    check({
      'index.ts': "export { retry } from './resilience/retry.js'\nexport type { A } from './core/a.js'\n",
      'core/a.ts': `import { channel } from 'node:diagnostics_channel'\n${a}`,
      'resilience/retry.ts': "import pRetry from 'p-retry'\nimport { a } from '../core/a.js'\nexport const retry = [pRetry, a]\n",
      'resilience/index.ts': "export { retry } from './retry.js'\n",
      'testing/mock.ts': "import { retry } from '../resilience/retry.js'\nimport { s } from '../serve/../core/a.js'\n",
    }),
  ).toEqual([])
})

test.each<[string, Record<string, string>, RegExp]>([
  ['a higher number', { 'core/b.ts': "import { a } from '../stats/a.js'", 'stats/a.ts': a }, /src\/core\/b\.ts:1 imports stats \(1\) from core \(0\)/],
  ['the same number', { 'drift/b.ts': "\n\nimport type { a } from '../cache/a.js'", 'cache/a.ts': a }, /src\/drift\/b\.ts:3 imports cache \(2\) from drift \(2\)/],
  ['a higher number, dynamically', { 'core/b.ts': "export const f = () => import('../stats/a.js')", 'stats/a.ts': a }, /core\/b\.ts:1 imports stats/],
  ['a higher number, in a type', { 'core/b.ts': "export type F = import('../stats/a.js').A", 'stats/a.ts': a }, /core\/b\.ts:1 imports stats/],
  ['testing', { 'cli/b.ts': "import { a } from '../testing/a.js'", 'testing/a.ts': a }, /imports testing/],
  ['observe in the root', { 'index.ts': "export { a } from './observe/a.js'", 'observe/a.ts': a }, /brings observe into the root/],
  ['a barrel', { 'drift/b.ts': "import { a } from '../core/index.js'", 'core/index.ts': a }, /imports the barrel/],
  ['a barrel of the own folder', { 'core/b.ts': "import { a } from './index.js'", 'core/index.ts': a }, /imports the barrel/],
  ['a private file', { 'drift/b.ts': "import { a } from '../core/_a.js'", 'core/_a.ts': a }, /private to its folder/],
  ['export star', { 'core/index.ts': "export * from './a.js'", 'core/a.ts': a }, /re-exports everything/],
  ['a package out of place', { 'drift/b.ts': "import { LRUCache } from 'lru-cache'" }, /lru-cache, which has no place here/],
  ['an unknown package', { 'drift/b.ts': "import x from '@scope/name/sub'" }, /@scope\/name\/sub, which has no place here/],
  ['an optional package outside its adapter', { 'models/loader.ts': "const tf = await import('@tensorflow/tfjs')" }, /tfjs, which has no place here/],
  ['itself by name', { 'drift/b.ts': "import { pipe } from 'outrigger'" }, /relative path/],
  ['no extension', { 'core/b.ts': "import { a } from './a'", 'core/a.ts': a }, /end in \.js/],
  ['a file that is not there', { 'core/b.ts': "import { a } from './a.js'" }, /no file of src/],
  ['a folder without a number', { 'utils/b.ts': a }, /src\/utils has no number/],
  ['the wall clock', { 'core/b.ts': "// new Date()\nexport const now = new Date()" }, /core\/b\.ts:2 reads the clock/],
])('importProblems refuses %s', (_name, files, message) => {
  const problems = check(files)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toMatch(message)
})

test('importProblems finds a cycle at run time and lets types point back', () => {
  const cycle = { 'core/a.ts': "import { b } from './b.js'", 'core/b.ts': "import { c } from './c.js'", 'core/c.ts': "import { a } from './a.js'" }
  expect(check(cycle)).toEqual(['import cycle: src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts'])
  expect(check({ ...cycle, 'core/c.ts': "import type { a } from './a.js'\nimport { type a as d } from './a.js'" })).toEqual([])
})
