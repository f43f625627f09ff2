import { appendFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { fileLedger } from '../../../src/route/rollout/ledger.js'

const folder = mkdtempSync(join(tmpdir(), 'outrigger-ledger-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let made = 0
const fresh = (): string => join(folder, `${(made += 1)}.ledger`)

it('has after a restart what was appended before', () => {
  const path = fresh()
  const ledger = fileLedger({ path })
  expect(ledger.lines).toEqual([])
  ledger.append('a')
  ledger.append('{"é":"💙"}')
  // Not closed: a crash does not close.
  expect(fileLedger({ path }).lines).toEqual(['a', '{"é":"💙"}'])
})

it('leaves a cut line out, and goes on on a line of its own', () => {
  const path = fresh()
  fileLedger({ path }).append('whole')
  appendFileSync(path, 'cu')
  const ledger = fileLedger({ path })
  expect(ledger.lines).toEqual(['whole'])
  ledger.append('next')
  expect(readFileSync(path, 'utf8')).toBe('whole\nnext\n')
})

it('starts anew with a snapshot when it is long', () => {
  const path = fresh()
  const ledger = fileLedger({ path, maxBytes: 20 })
  ledger.append('0123456789')
  expect(ledger.isLong).toBe(false)
  ledger.append('0123456789')
  expect(ledger.isLong).toBe(true)
  ledger.reset('sum')
  expect(ledger.isLong).toBe(false)
  ledger.append('after')
  expect(fileLedger({ path }).lines).toEqual(['sum', 'after'])
  // A reset that a crash cut leaves its file beside the ledger, and the next one does not mind.
  writeFileSync(`${path}.next`, 'half of a snap')
  ledger.reset('again')
  expect(fileLedger({ path }).lines).toEqual(['again'])
})

it('refuses what it cannot keep with a code', () => {
  const path = fresh()
  symlinkSync('/etc/hostname', path)
  for (const impossible of [path, join(folder, 'nowhere', 'x'), folder]) expect(() => fileLedger({ path: impossible })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_ROLLOUT', reason: 'ledger' }))
  expect(() => fileLedger({ path: '' })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
})
