/**
 * Prepares a real `@tensorflow/tfjs-node` outside the tree, where pip and npm reach an index:
 * `node --import tsx test/engines/tfjs-node/prepare.ts`.
 *
 * Its own install downloads libtensorflow 2.9.1 from a storage host and aborts the whole `npm install` where it cannot.
 * The C API of TensorFlow is stable, so the library inside the wheel of `tensorflow-cpu` does as well: the package is
 * installed without its script, the libraries and headers are taken from the wheel, and its addon is compiled (N-API:
 * one build for every Node). About a minute, 1.2 GB on disk. Each step is skipped when its result is there, so that a
 * run that was broken off goes on where it stopped.
 */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { command } from '../../gate/command.js'
import { cacheFolder, isPrepared, pinned, readyFile } from './cached.js'

/** It cannot be prepared on this machine: no fault of ours, and none of tfjs-node. */
export class CannotPrepare extends Error {
  override readonly name: string = 'CannotPrepare'
}

const here = fileURLToPath(new URL('.', import.meta.url))
const packageFolder = join(cacheFolder, 'node_modules/@tensorflow/tfjs-node')
const wheelName = `tensorflow_cpu-${pinned.tensorflow}-cp311-cp311-manylinux_2_27_x86_64.whl`
const wheel = join(cacheFolder, wheelName)
const minutes = 60_000

const tail = (output: string): string => output.trim().split('\n').slice(-12).join('\n')

const sha256 = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

const requireMachine = async (): Promise<void> => {
  const { header } = process.report.getReport() as unknown as { readonly header: { readonly glibcVersionRuntime?: string } }
  if (process.platform !== 'linux' || process.arch !== 'x64' || header.glibcVersionRuntime === undefined) {
    throw new CannotPrepare(`the wheel of TensorFlow is for linux x64 with glibc: this is ${process.platform} ${process.arch}`)
  }
  for (const [program, args] of [['python3', ['-m', 'pip', '--version']], ['g++', ['--version']], ['make', ['--version']]] as const) {
    if (!(await command(program, args)).ok) throw new CannotPrepare(`\`${program} ${args.join(' ')}\` does not run`)
  }
}

const installPackage = async (): Promise<void> => {
  for (const file of ['package.json', 'package-lock.json']) writeFileSync(join(cacheFolder, file), readFileSync(join(here, file)))
  const { ok, output } = await command('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: cacheFolder, timeoutMs: 10 * minutes })
  if (!ok) throw new CannotPrepare(`npm could not install @tensorflow/tfjs-node ${pinned.tfjsNode}:\n${tail(output)}`)
}

const downloadWheel = async (): Promise<void> => {
  // Named exactly, whichever Python is here: nothing of the wheel is run.
  const args = ['-m', 'pip', 'download', `tensorflow-cpu==${pinned.tensorflow}`, '--no-deps', '--only-binary=:all:', '--implementation=cp', '--python-version=3.11', '--abi=cp311', '--platform=manylinux_2_27_x86_64', '--progress-bar=off', `--dest=${cacheFolder}`]
  const { ok, output } = await command('python3', args, { timeoutMs: 20 * minutes })
  if (!ok) throw new CannotPrepare(`pip could not download tensorflow-cpu ${pinned.tensorflow}:\n${tail(output)}`)
}

const extract = async (): Promise<void> => {
  const found = await sha256(wheel)
  if (found !== pinned.wheel) {
    rmSync(wheel)
    throw new Error(`the wheel ${wheelName} must have the SHA-256 ${pinned.wheel}: it had ${found}`)
  }
  // A folder of our own: what a killed run started may still write into its.
  for (const name of readdirSync(packageFolder)) if (name.startsWith('deps.part-')) rmSync(join(packageFolder, name), { recursive: true, force: true })
  const part = join(packageFolder, `deps.part-${process.pid}`)
  const { ok, output } = await command('python3', [join(here, 'extract.py'), wheel, part], { timeoutMs: 10 * minutes })
  if (!ok) throw new Error(`the wheel could not be extracted:\n${tail(output)}`)
  renameSync(part, join(packageFolder, 'deps'))
}

/** Where the headers of a Node are that came with them; node-gyp would download them. */
const headers = (): Readonly<Record<string, string>> => {
  const prefix = process.env['npm_config_nodedir'] ?? dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include/node/node_api.h')) ? { npm_config_nodedir: prefix } : {}
}

const compile = async (): Promise<void> => {
  const { ok, output } = await command('npm', ['run', 'build-addon-from-source'], { cwd: packageFolder, env: headers(), timeoutMs: 10 * minutes })
  if (ok) return
  // Without headers beside Node, node-gyp fetches them, and its failure says only that.
  if (Object.keys(headers()).length === 0) throw new CannotPrepare(`node-gyp found no headers of Node (set npm_config_nodedir to a prefix with include/node):\n${tail(output)}`)
  throw new Error(`the addon did not compile:\n${tail(output)}`)
}

const tryIt = async (): Promise<void> => {
  // Its kernels call a function that Node 23 removed (docs: the shim).
  const program = `require('util').isNullOrUndefined ??= (value) => value == null; const tf = require('@tensorflow/tfjs-node'); console.log(tf.version['tfjs-node'], tf.backend().binding.TF_Version, tf.getBackend(), tf.add(1, 2).dataSync()[0])`
  const { stdout, output } = await command(process.execPath, ['-e', program], { cwd: cacheFolder })
  if (stdout.trim().split('\n').at(-1) !== `${pinned.tfjsNode} ${pinned.tensorflow} tensorflow 3`) throw new Error(`what was prepared does not run:\n${tail(output)}`)
}

/** One at a time: whoever comes second does not wait, but is told. A lock whose process is gone counts for nothing. */
const withLock = async (run: () => Promise<void>): Promise<void> => {
  const lock = join(cacheFolder, 'lock')
  if (existsSync(lock) && !existsSync(`/proc/${readFileSync(lock, 'utf8')}`)) rmSync(lock, { force: true })
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? new CannotPrepare(`another process is preparing it; its id is in ${lock}`) : error
  }
  try {
    await run()
  } finally {
    rmSync(lock, { force: true })
  }
}

/**
 * Prepares it, if it is not there yet. `say` is given a line for each step.
 *
 * @throws {CannotPrepare} where this machine lacks what it takes; any other error is a finding
 */
export const prepareTfjsNode = async (say: (line: string) => void): Promise<void> => {
  if (isPrepared()) return
  await requireMachine()
  mkdirSync(cacheFolder, { recursive: true })
  await withLock(async () => {
    const steps: readonly (readonly [string, string, () => Promise<void>])[] = [
      [`npm: @tensorflow/tfjs-node ${pinned.tfjsNode} without its install script`, join(cacheFolder, 'node_modules/.package-lock.json'), installPackage],
      [`pip: the wheel of tensorflow-cpu ${pinned.tensorflow} (274 MB)`, wheel, downloadWheel],
      ['the libraries and headers out of the wheel (0.9 GB)', join(packageFolder, 'deps'), extract],
      ['the addon, compiled', join(packageFolder, 'lib/napi-v8/tfjs_binding.node'), compile],
    ]
    const isThere = steps.map(([, result]) => existsSync(result))
    for (const [at, [what, , run]] of steps.entries()) {
      // The wheel goes when all is done; what came after it stands for it.
      if (isThere[at] || (at === 1 && isThere[2])) continue
      const started = performance.now()
      await run()
      say(`${what}: ${((performance.now() - started) / 1000).toFixed(0)} s`)
    }
    await tryIt()
    writeFileSync(readyFile, JSON.stringify({ ...pinned, builtWith: process.version }))
    rmSync(wheel, { force: true })
    say(`tfjs-node ${pinned.tfjsNode} with TensorFlow ${pinned.tensorflow} is ready, ${(statSync(join(packageFolder, 'deps/lib/libtensorflow_cc.so.2')).size / 1e6).toFixed(0)} MB of it libtensorflow`)
  })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await prepareTfjsNode((line) => console.log(line))
  console.log(cacheFolder)
}
