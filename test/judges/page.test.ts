import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { CannotJudge, check } from './judge.js'
import { page, plain } from './page.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

it('page says the date, the versions and what was seen, and counts what failed', () => {
  const text = page('mlflow', { versions: { mlflow: '3.1.0' }, checks: [{ name: 'alias', ok: true, detail: 'version 3' }, { name: 'a | b', ok: false, detail: 'two\nlines' }] }, '2026-01-02')
  expect(text).toContain('2026-01-02 · 2 checks · **1 failed**')
  expect(text).toContain('| mlflow | 3.1.0 |')
  expect(text).toContain(`| Node | ${process.version} |`)
  expect(text).toContain('| ok | alias | version 3 |')
  expect(text).toContain('| **FAIL** | a \\| b | two lines |')
})

it('plain leaves out the folders of this machine and colours', () => {
  expect(plain(`${root}src/a.ts ${tmpdir()}/x \u001B[31mred\u001B[0m`)).toBe('./src/a.ts <tmp>/x red')
})

it('check fails with the message of what is thrown, but passes on that a judge cannot run here', async () => {
  expect(await check('a', () => '3 rows')).toEqual({ name: 'a', ok: true, detail: '3 rows' })
  expect(await check('a', () => Promise.reject(new Error('no rows')))).toEqual({ name: 'a', ok: false, detail: 'no rows' })
  await expect(check('a', () => Promise.reject(new CannotJudge('no pip')))).rejects.toThrow('no pip')
})
