/**
 * A host of isolated models in a process of its own, which the tests end in many ways. Arguments: the scene, the URL of the
 * isolates' program, that of the tiny engine's module. It says what it has reached in lines on stdout.
 */
import { isolated, ModelFiles, onnx, type Engine, type ModelVersion } from 'outrigger/models'
import { onnxSlow } from 'outrigger/testing'

const [scene = '', entry = '', tinyModule = ''] = process.argv.slice(2)
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const version = { name: 'm', version: 1, digest: '', manifest: { files: [] } } as unknown as ModelVersion
const call = { signal: new AbortController().signal, remainingMs: () => Infinity, isIdempotent: true, rows: [] }
const rows = async <I>(engine: Engine<I, unknown>, files: Readonly<Record<string, Uint8Array>>) =>
  (await engine.load(new ModelFiles('m@1', new Map(Object.entries(files))), version)) as { predictBatch(rows: readonly I[], seen: object): Promise<unknown[]>; dispose(): Promise<void> }

/** A run of about half a second inside of onnxruntime, whoever looks. */
const slowOnnx = async (): Promise<Awaited<ReturnType<typeof rows>>> =>
  await rows(isolated(onnx({ session: { intraOpNumThreads: 1 } }), { isolate: 'worker', entry: new URL(entry) }) as Engine<unknown, unknown>, { 'model.onnx': onnxSlow({ products: 200 }) })

const tiny = async (isolate: 'worker' | 'process', faults: object = {}): Promise<Awaited<ReturnType<typeof rows>>> =>
  await rows(isolated<number[], unknown>(new URL(tinyModule), { name: 'tiny', export: 'tiny', isolate, entry: new URL(entry), deadlineMs: 600_000 }) as Engine<unknown, unknown>, { 'factor.json': new TextEncoder().encode('2'), 'faults.json': new TextEncoder().encode(JSON.stringify(faults)) })

const scenes: Readonly<Record<string, () => Promise<void>>> = {
  'exits in a run': async () => {
    const model = await slowOnnx()
    void model.predictBatch([[1]], call)
    setTimeout(() => process.exit(7), 50)
  },
  'throws in a run': async () => {
    const model = await slowOnnx()
    void model.predictBatch([[1]], call)
    setTimeout(() => { throw new Error('uncaught in the host') }, 50)
  },
  'ends in a run': async () => {
    const model = await slowOnnx()
    void model.predictBatch([[1]], call).then(() => say('answered'))
    setTimeout(() => process.exitCode = 3, 50)
  },
  'exits while a model loads': async () => {
    setTimeout(() => process.exit(7), 120)
    await slowOnnx()
    await new Promise((resolve) => setTimeout(resolve, 10_000))
  },
  'ends with idle models': async () => {
    for (const isolate of ['worker', 'process'] as const) say(`answer ${JSON.stringify(await (await tiny(isolate)).predictBatch([[1]], call))}`)
  },
  'hangs in a process': async () => {
    const model = await tiny('process')
    void model.predictBatch([[-2]], call)
    setTimeout(() => say('hanging'), 300)
  },
  'waits with a process': async () => {
    await tiny('process')
    say('loaded')
    setInterval(() => {}, 1000)
  },
  'drains on SIGINT': async () => {
    const model = await tiny('process')
    const server = setInterval(() => {}, 1000)
    process.once('SIGINT', () => {
      void (async () => {
        say(`answer ${JSON.stringify(await model.predictBatch([[21]], call))}`)
        await model.dispose()
        clearInterval(server)
        say('drained')
      })()
    })
    say('loaded')
  },
}

const play = scenes[scene]
if (play === undefined) throw new Error(`There is no scene ${scene}.`)
await play()
