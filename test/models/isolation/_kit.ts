/** What the tests of isolation share: the program of workers as one plain file, and an engine that misbehaves on request. */
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { ModelFiles, type Engine, type ModelManifest, type ModelVersion, type TensorCall, type TensorEngine } from 'outrigger/models'
import type { Tensors } from 'outrigger/schema'
import type { NoticeEvent, StateEvent } from 'outrigger'
import { sha256Hex } from '../../../src/models/manifest/digest.js'

const root = join(import.meta.dirname, '../../..')

const built = new Map<string, Promise<URL>>()

/** A program as one plain file, built once per test process: it starts in a tenth of the time that tsx takes. */
export const programFile = (path: string): Promise<URL> => {
  const known = built.get(path)
  if (known !== undefined) return known
  const made = (async () => {
    const folder = join(root, '.cache/test-isolation')
    mkdirSync(folder, { recursive: true })
    const outfile = join(folder, `${path.replaceAll(/\W/g, '-')}.${process.pid}.mjs`)
    const alias = Object.fromEntries(['models', 'testing'].map((name) => [`outrigger/${name}`, join(root, 'src', name, 'index.ts')]))
    await build({ entryPoints: [join(root, path)], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', packages: 'external', alias })
    return pathToFileURL(outfile)
  })()
  built.set(path, made)
  return made
}

/** The program of workers and processes. */
export const entryFile = (): Promise<URL> => programFile('src/models/isolation/entry.ts')

/** What a run of the tiny engine does when its first value is this. In the order of `acts` there. */
export const acts = { abort: -1, hang: -2, exit: -3, memory: -4, slow: -5, reject: -6, throw: -7, throwLater: -8, thrownText: -9, print: -10, flood: -11, wait: -12, badOutput: -13, facts: -14, sleep: -15 } as const

/** What `load` of the tiny engine gives: the adapter's model, with numbers for tensors. */
export interface TinyModel {
  run(x: number | readonly number[] | Float32Array, call?: Partial<TensorCall>): Promise<Tensors>
  dispose(): Promise<void>
  describe(): { readonly device?: string; readonly bytes?: number }
  observe(listener: (event: StateEvent | NoticeEvent) => void): () => void
}

export const engineModule: URL = pathToFileURL(join(import.meta.dirname, 'tiny-engine.mjs'))

export const callOf = (call: Partial<TensorCall> = {}): TensorCall => ({ signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true, ...call })

/** As an engine of ours: an adapter with an origin. */
export const tinyEngine = (options: object = {}, exported = 'tiny'): Engine<never, never> => {
  const over = (tensors: TensorEngine): Engine<never, never> => ({
    name: 'tiny',
    tensors,
    over,
    load: async (files, version) => {
      const model = await tensors.load(files, version)
      return {
        describe: () => model.describe(),
        dispose: () => model.dispose(),
        observe: (listener: never) => model.observe?.(listener),
        run: (x: number | readonly number[] | Float32Array, call: Partial<TensorCall> = {}) => {
          const data = x instanceof Float32Array ? x : Float32Array.from(typeof x === 'number' ? [x] : x)
          return model.run({ x: { dtype: 'float32', shape: [data.length, 1], data } }, callOf(call))
        },
      } as never
    },
  })
  const tensors: TensorEngine = { name: 'tiny', origin: { module: engineModule.href, export: exported, options }, load: async () => { throw new Error('inline') } }
  return { name: 'tiny', tensors, over, load: (files, version) => over(tensors).load(files, version) }
}

/** A version with these files, and the files. */
export const versionOf = (contents: Readonly<Record<string, string | Uint8Array>>, version = 1): { readonly files: ModelFiles; readonly version: ModelVersion } => {
  const files = Object.entries(contents).map(([path, content]) => [path, typeof content === 'string' ? new TextEncoder().encode(content) : content] as const)
  const manifest = { name: 'tiny', version, engine: 'tiny', files: files.map(([path, bytes]) => ({ path, bytes: bytes.length, sha256: sha256Hex(bytes) })), golden: [] } as unknown as ModelManifest
  return { files: new ModelFiles(`tiny@${version}`, new Map(files)), version: { name: 'tiny', version, digest: '0'.repeat(64), manifest } }
}

export const loadTiny = async (engine: Engine<never, never>, faults: object = {}, version = 1): Promise<TinyModel> => {
  const { files, version: described } = versionOf({ 'factor.json': '2', 'faults.json': JSON.stringify(faults) }, version)
  return (await engine.load(files, described)) as unknown as TinyModel
}

/** The first value of a run's only numeric output. */
export const valueOf = (outputs: Tensors): number => Number(outputs['y']?.data[0])

/** The isolates that a process has started and that are there, by `/proc`; none where there is no such thing. */
export const childrenOf = (parent: number): number[] =>
  !existsSync('/proc')
    ? []
    : readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
        try {
          const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
          const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
          return Number(ppid) === parent && state !== 'Z' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('outrigger-isolate')
        } catch {
          return false // It has just ended.
        }
      })
