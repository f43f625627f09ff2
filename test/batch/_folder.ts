import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []

/** A folder that is removed when the test file has ended. */
export const temporaryFolder = async (): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'outrigger-batch-'))
  made.push(path)
  return path
}

afterAll(async () => {
  for (const path of made.splice(0)) await rm(path, { recursive: true, force: true })
})
