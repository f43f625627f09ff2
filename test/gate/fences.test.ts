import { expect, test } from 'vitest'
import { fencesOf, tsdocOf } from './fences.js'

const markdown = [
  'Text', // 1
  '```ts', // 2
  'const a = 1',
  '',
  'assert.equal(a, 1)',
  '```', // 6
  '- in a list',
  '  ```ts no-run: needs a server', // 8
  '  if (true) {',
  '    listen()',
  '  }',
  '  ```', // 12
  '````md', // 13
  '```ts',
  'not a fence of its own',
  '```',
  '````',
  '```sh',
  'npm test',
  '```',
].join('\n')

test('fencesOf finds the ts fences with their lines and takes the indentation away', () => {
  expect(fencesOf('README.md', markdown)).toEqual({
    fences: [
      { file: 'README.md', line: 2, code: 'const a = 1\n\nassert.equal(a, 1)', mode: 'run' },
      { file: 'README.md', line: 8, code: 'if (true) {\n  listen()\n}', mode: 'no-run', reason: 'needs a server' },
    ],
    problems: [],
  })
})

test.each([
  ['```typescript\nx\n```', /a\.md:1 is marked "typescript"/],
  ['\n```ts no-run\nx\n```', /a\.md:2 has "no-run" after ts/],
  ['```ts no-run: \nx\n```', /after ts/],
  ['```ts skip: because\nx\n```', /"skip: because"/],
  ['\n\n```ts\nx', /a\.md:3 opens a fence that nothing closes/],
])('fencesOf refuses %j', (text, message) => {
  expect(fencesOf('a.md', text).problems).toEqual([expect.stringMatching(message)])
})

test('tsdocOf keeps the lines of the comments and nothing of the code', () => {
  const source = [
    '/** One line. */', // 1
    'const glob = "src/**/*.ts"', // 2
    '/**', // 3
    ' * Doubles.', // 4
    ' *', // 5
    ' * @example', // 6
    ' * ```ts', // 7
    ' * const a = {', // 8
    ' *   b: 1,', // 9
    ' * }', // 10
    ' * ```', // 11
    ' */', // 12
    'const code = "```ts"', // 13
  ].join('\n')
  expect(fencesOf('a.ts', tsdocOf(source)).fences).toEqual([{ file: 'a.ts', line: 7, code: 'const a = {\n  b: 1,\n}', mode: 'run' }])
})
