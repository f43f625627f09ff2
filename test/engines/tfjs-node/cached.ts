/** A real `@tensorflow/tfjs-node`: the one that is installed beside us, or the one that `prepare.ts` put into the cache. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type * as tfjs from '@tensorflow/tfjs'

/** What is prepared. `wheel` is the SHA-256 of the wheel of `tensorflow-cpu` for CPython 3.11 on x86-64 with glibc. */
export const pinned = {
  tfjsNode: '4.22.0',
  tensorflow: '2.21.0',
  wheel: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
} as const

/** Outside the tree, so that a fresh clone finds it, and named by what is in it. */
export const cacheFolder: string = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'outrigger-judges', `tfjs-node-${pinned.tfjsNode}-tf${pinned.tensorflow}`)

/** Written last: while it is not there, nothing here is to be used. */
export const readyFile: string = join(cacheFolder, 'ready.json')

export const isPrepared = (): boolean => {
  if (!existsSync(readyFile)) return false
  const ready = JSON.parse(readFileSync(readyFile, 'utf8')) as { readonly wheel?: string }
  return ready.wheel === pinned.wheel
}

/** tfjs-node: TensorFlow.js with what only its native part can do. */
export type TfjsNode = typeof tfjs & {
  readonly node: {
    loadSavedModel(path: string, tags?: string[], signature?: string): Promise<{ predict(inputs: tfjs.NamedTensorMap): tfjs.Tensor | tfjs.Tensor[] | tfjs.NamedTensorMap; dispose(): void }>
    getMetaGraphsFromSavedModel(path: string): Promise<tfjs.MetaGraph[]>
    getNumOfSavedModels(): number
  }
}

/** The file to `require` it by: `undefined` where it is neither installed nor prepared. */
export const tfjsNodePath = (): string | undefined => {
  const places = [import.meta.url, ...(isPrepared() ? [join(cacheFolder, 'package.json')] : [])]
  for (const place of places) {
    try {
      return createRequire(place).resolve('@tensorflow/tfjs-node')
    } catch {
      // Not there; the next place.
    }
  }
  return undefined
}

/** Loads it. Where it cannot, one loud line says so: its tests do not run there, with CI=true neither, as its own install needs a download. */
export const loadTfjsNode = (): TfjsNode | undefined => {
  const path = tfjsNodePath()
  try {
    if (path !== undefined) return createRequire(path)(path) as TfjsNode
    console.warn('SKIPPED: @tensorflow/tfjs-node is neither installed nor prepared (npm run judges -- tfjs-node), so that the tests against the real one do not run.')
  } catch (error) {
    console.warn(`SKIPPED: @tensorflow/tfjs-node does not load, so that the tests against it do not run: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
  }
  return undefined
}
