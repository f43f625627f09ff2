/** The documents that a server of static files needs beside the directory of a store. */
import { join, resolve } from 'node:path'
import { makeDirectory, writeFileAtomic } from '../../store/atomic-file.js'
import { stringOption } from '../../core/options.js'
import { nodeFileSystem } from '../../store/file-system.js'
import type { ModelStore } from '../store/model-store.js'
import { indexOf, indexPath, serializeIndex } from './_store-index.js'

/**
 * Writes the index of each model, so that any server of static files over the directory of the store serves it to
 * `httpSource`. Run it after a publish or a move of an alias. Where the files are copied to a mirror, copy `blobs/`
 * first and the indexes last: a file that an index names too early is asked for again later.
 *
 * @param path - the root of the server; for a store in a directory, that directory
 * @returns the paths that were written, relative
 * @example
 * ```ts
 * import { mkdtemp } from 'node:fs/promises'
 * import { tmpdir } from 'node:os'
 * import { modelStore, writeIndexes } from 'outrigger/models'
 * const path = await mkdtemp(`${tmpdir()}/models-`)
 * const store = modelStore({ path })
 * await store.publish({ name: 'delay', engine: 'function', files: { 'a.json': '[1,2]' } })
 * assert.deepEqual(await writeIndexes(store, path), ['models/delay/index.json'])
 * ```
 */
export const writeIndexes = async (store: ModelStore, path: string): Promise<string[]> => {
  const root = resolve(stringOption('the indexes', 'path', path))
  const models = new Set((await store.list()).map(({ name }) => name))
  const written: string[] = []
  for (const name of models) {
    await makeDirectory(nodeFileSystem, root, 'models', name)
    await writeFileAtomic(join(root, indexPath(name)), new TextEncoder().encode(serializeIndex(await indexOf(store, name))))
    written.push(indexPath(name))
  }
  return written
}
