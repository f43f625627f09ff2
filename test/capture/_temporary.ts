import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** Gives new directories; they are removed after the tests of the file. */
export const directories = (): (() => string) => {
  const root = mkdtempSync(join(tmpdir(), 'outrigger-capture-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  return () => mkdtempSync(join(root, 'd-'))
}
