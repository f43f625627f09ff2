/** The verified files of a version in a directory of their own, for an engine that reads paths and not bytes. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { OutriggerError } from '../../core/errors.js'
import { pathFault } from '../manifest/names.js'
import type { ModelFiles } from './model-files.js'

/** A directory that holds the files of one version. */
export interface ModelDirectory {
  readonly path: string
  /** Removes it with all that is in it. Safe to call again. */
  remove(): Promise<void>
}

/**
 * Writes the files of a version into a new directory that only this user can enter (mode 0700, below the system's
 * folder for temporary files; `TMPDIR` moves it). The name is new each time, and nothing is left if writing fails.
 *
 * Whoever makes it removes it: after loading where the engine has read everything by then, else when the model ends.
 * What a killed process leaves is the system's to clear.
 *
 * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if a path would lead out of the directory; what the file system throws
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises'
 * import { modelDirectory, ModelFiles } from 'outrigger/models'
 * const files = new ModelFiles('delay@1', new Map([['variables/slope.txt', new TextEncoder().encode('2')]]))
 * const directory = await modelDirectory(files)
 * assert.equal(await readFile(`${directory.path}/variables/slope.txt`, 'utf8'), '2')
 * await directory.remove()
 * ```
 */
export const modelDirectory = async (files: ModelFiles): Promise<ModelDirectory> => {
  const path = await mkdtemp(join(tmpdir(), 'outrigger-model-'))
  const remove = (): Promise<void> => rm(path, { recursive: true, force: true })
  try {
    for (const name of files.paths) {
      const fault = pathFault(name)
      if (fault !== undefined) throw new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot write the files of a version as a path ${fault}: current value is ${JSON.stringify(name)}`)
      const file = join(path, name)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, files.bytes(name), { mode: 0o600, flag: 'wx' })
    }
  } catch (error) {
    await remove()
    throw error
  }
  return { path, remove }
}
