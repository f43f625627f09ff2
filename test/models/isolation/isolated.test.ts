import { writeFile } from 'node:fs/promises'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import * as tf from '@tensorflow/tfjs'
import { layer, pipe, predictor, retry, type NoticeEvent, type StateEvent } from 'outrigger'
import { functionEngine, isolated, ModelFiles, modelLoader, modelStore, onnx, tfjs, tfjsFiles, type Engine, type IsolatedEngine, type IsolationOptions, type ModelVersion } from 'outrigger/models'
import type { Tensor } from 'outrigger/schema'
import { fakeClock, onnxAffine } from 'outrigger/testing'
import { temporaryFolder } from '../temporary.js'
import { acts, childrenOf, engineModule, entryFile, loadTiny, tinyEngine, valueOf, versionOf, type TinyModel } from './_kit.js'

// Threads and processes are started for real; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 30_000 })
const soon = { timeout: 15_000 }

const code = (name: string): object => ({ code: `ERR_OUTRIGGER_${name}` })
const loaded: { dispose(): Promise<void> }[] = []
afterEach(async () => {
  for (const model of loaded.splice(0)) await model.dispose().catch(() => {})
})

const isolatedTiny = async (options: IsolationOptions, faults: object = {}): Promise<{ readonly model: TinyModel; readonly engine: IsolatedEngine<never, never> }> => {
  const engine = isolated(tinyEngine(), { entry: await entryFile(), ...options })
  const model = await loadTiny(engine, faults)
  loaded.push(model)
  return { model, engine }
}

for (const isolate of ['worker', 'process'] as const) {
  describe(`${isolate}, one model`, () => {
    let model: TinyModel
    let engine: IsolatedEngine<never, never>
    beforeAll(async () => {
      ({ model, engine } = await isolatedTiny({ isolate, workers: 2, maxQueue: 4, replay: 'idempotent' }))
      loaded.length = 0
    })
    afterAll(() => model.dispose())

    test('a run takes tensors over and brings tensors back, strings too; the caller\'s arrays stay the caller\'s', async () => {
      const inputs = Float32Array.of(1, 2, 3)
      const outputs = await model.run(inputs)
      expect(outputs).toEqual({ y: { dtype: 'float32', shape: [3, 1], data: Float32Array.of(2, 4, 6) }, version: { dtype: 'string', shape: [1], data: ['tiny@1'] } })
      expect(inputs).toEqual(Float32Array.of(1, 2, 3))
      expect(await model.run(new Float32Array(100).fill(7).subarray(3, 5))).toMatchObject({ y: { data: Float32Array.of(14, 14) } })
    })

    test('what it is, and what it has done, is told', () => {
      expect(model.describe()).toMatchObject({ batchable: true, device: `cpu (${isolate} ×2)`, bytes: 2003 })
      expect(engine.stats()).toMatchObject({ runs: 2, crashes: 0, queued: 0, bytesOut: 20, bytesIn: 32, isolates: [{ model: 'tiny@1', state: 'idle' }, {}] })
    })

    test('the engine is elsewhere, and knows what is known of the call', async () => {
      const { y } = await model.run(acts.facts, { isIdempotent: false, remainingMs: () => 12_340 })
      const [pid, isIdempotent, remainingMs] = (y as Tensor).data as Float64Array
      expect(pid === process.pid).toBe(isolate === 'worker')
      expect(isIdempotent).toBe(0)
      expect(remainingMs).toBeGreaterThan(10_000)
      const { y: facts, trace } = await model.run(acts.facts)
      expect([facts?.data.slice(1), trace?.data]).toEqual([Float64Array.of(1, Infinity), ['undefined', 'undefined']])
      const traceContext = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }
      expect((await model.run(acts.facts, { traceContext }))['trace']?.data).toEqual(Object.values(traceContext))
    })

    test('an error keeps its class, code, fields, cause and stack', async () => {
      const error = await model.run(acts.throw).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(RangeError)
      expect(error).toMatchObject({ message: 'the engine threw', code: 'ERR_TINY', detail: { at: 3 }, cause: { message: 'the cause' }, stack: expect.stringContaining('tiny-engine.mjs') as string })
      await expect(model.run(acts.thrownText)).rejects.toBe('a text')
      await expect(model.run(acts.badOutput)).rejects.toMatchObject(code('ENGINE_FAILED'))
      expect(valueOf(await model.run(1))).toBe(2)
    })

    test('who aborts a run is told at once, and so is the engine', async () => {
      const controllers = [new AbortController(), new AbortController()]
      const runs = controllers.map(({ signal }) => model.run(acts.wait, { signal }))
      for (const controller of controllers) controller.abort()
      for (const run of runs) await expect(run).rejects.toMatchObject(code('ABORTED'))
      // The engine heard it, or they would be busy for ever.
      await vi.waitFor(() => expect(engine.stats()).toMatchObject({ isolates: [{ state: 'idle' }, { state: 'idle' }] }), soon)
    })

    test('several work at once, and the next run goes to who is free', async () => {
      const runs = Array.from({ length: 6 }, () => model.run(acts.sleep))
      expect(engine.stats()).toMatchObject({ queued: 4, isolates: [{ state: 'busy' }, { state: 'busy' }] })
      await expect(model.run(1)).rejects.toMatchObject(code('QUEUE_FULL'))
      await Promise.all(runs)
      expect(engine.stats().busyMs).toBeGreaterThan(250)
    })

    test('messages of many megabytes pass', async () => {
      const { y } = await model.run(new Float32Array(8e6).fill(3))
      expect([y?.data.length, y?.data[0], y?.data[7_999_999]]).toEqual([8e6, 6, 6])
    })

    test('what is printed becomes notices, a hundred lines a second at most', async () => {
      const lines: string[] = []
      const stop = model.observe((event) => event.type === 'notice' && lines.push(`${String(event.data?.['stream'])}: ${event.message}`))
      await model.run(acts.print)
      await vi.waitFor(() => expect([...lines].sort()).toEqual(['stderr: a line on stderr', 'stdout: a line on stdout']), soon)
      await model.run(acts.flood)
      await vi.waitFor(() => expect(lines.length).toBeGreaterThan(50), soon)
      await model.dispose()
      stop()
      expect(lines.length).toBeLessThan(2000)
      expect(lines.at(-1)).toMatch(/lines were left out/)
      await expect(model.run(1)).rejects.toMatchObject(code('CLOSED'))
      expect(engine.stats()).toMatchObject({ crashes: 0, isolates: [] })
    })
  })

  test(`${isolate}: a model that ends itself, rejects where nobody catches, or throws after a run is started again`, async () => {
    const { model, engine } = await isolatedTiny({ isolate, replay: 'never' })
    const crashes: (StateEvent | NoticeEvent)[] = []
    model.observe((event) => event.type === 'state' && event.to === 'crashed' && crashes.push(event))
    for (const [act, reason] of [['exit', undefined], ['reject', 'nobody catches this'], ['throwLater', 'thrown after the run']] as const) {
      const run = model.run(acts[act])
      if (act === 'throwLater') await run
      else await expect(run).rejects.toMatchObject(code('ENGINE_CRASHED'))
      await vi.waitFor(() => expect(crashes.pop()).toMatchObject({ layer: 'isolation', from: 'ready', data: reason === undefined ? {} : { error: { message: reason } } }), soon)
      expect(valueOf(await model.run(21))).toBe(42)
    }
    expect(engine.stats()).toMatchObject({ crashes: 3, restarts: 3 })
  })

  test(`${isolate}: a run that crashed is run once more where that is allowed, and fails where it crashes again`, async () => {
    const { model, engine } = await isolatedTiny({ isolate, replay: 'idempotent' })
    await expect(model.run(acts.exit)).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), reason: 'exit code 0' })
    expect(engine.stats()).toMatchObject({ runs: 2, crashes: 2, replays: 1 })
    expect(valueOf(await model.run(21))).toBe(42)
  })

  test(`${isolate}: a model that takes more memory than it may is started again`, async () => {
    const { model } = await isolatedTiny({ isolate, replay: 'never', maxMemoryBytes: isolate === 'worker' ? 24e6 : 150e6 })
    const error = await model.run(acts.memory).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject(code('ENGINE_CRASHED'))
    if (isolate === 'worker') expect(error).toMatchObject({ cause: { code: 'ERR_WORKER_OUT_OF_MEMORY' } })
    else expect(error).toMatchObject({ signal: 'SIGKILL', output: expect.stringContaining('bytes of memory') as string })
    expect(valueOf(await model.run(21))).toBe(42)
  })

  test.runIf(isolate === 'process' || process.platform === 'linux')(`${isolate}: it gives way to others, and nobody else does`, async () => {
    const folder = await temporaryFolder()
    const file = join(folder, 'priority.mjs')
    await writeFile(file, `import { getPriority } from 'node:os'\nexport const engine = { name: 'priority', load: async () => () => getPriority() }`)
    const engine = isolated<number, number>(pathToFileURL(file), { name: 'priority', isolate, niceness: 15, entry: await entryFile() })
    const before = getPriority()
    const store = modelStore({ path: join(folder, 'store') })
    await store.publish({ name: 'm', engine: 'priority', files: { 'weights.json': '[]' } })
    const predict = modelLoader({ store, name: 'm', engines: [engine] })
    await predict.whenReady()
    expect([await predict(1), getPriority()]).toEqual([15, before])
    await predict.close()
  })

  test(`${isolate}: loading that fails tells why and leaves nothing behind; a file that came over damaged is refused`, async () => {
    const engine = isolated(tinyEngine(), { isolate, entry: await entryFile() })
    await expect(loadTiny(engine, { load: 'throw' })).rejects.toMatchObject({ name: 'SyntaxError', message: 'cannot load' })
    const { version } = versionOf({ 'factor.json': '2' })
    const tampered = new ModelFiles('tiny@1', new Map([['factor.json', new TextEncoder().encode('3')]]))
    await expect(engine.load(tampered, version)).rejects.toMatchObject(code('MODEL_CORRUPT'))
    expect(engine.stats().isolates).toEqual([])
    const model = await loadTiny(engine, { dispose: 'throw', keepAlive: true })
    expect(valueOf(await model.run(1))).toBe(2)
    await expect(model.dispose()).rejects.toMatchObject({ message: 'cannot dispose' })
    expect(engine.stats().isolates).toEqual([])
    expect(childrenOf(process.pid)).toEqual([])
  })

  test(`${isolate}: a module's engine of rows is asked by rows, one or many, with what is known of the call`, async () => {
    const engine = isolated<unknown, unknown>(engineModule, { name: 'rows', export: 'rows', isolate, entry: await entryFile() })
    const { files, version } = versionOf({ 'factor.json': '3' })
    const model = await engine.load(files, version)
    loaded.push(model as { dispose(): Promise<void> })
    const predict = predictor(model as { predict(row: unknown): Promise<unknown> })
    expect(await predict(2)).toBe(6)
    expect(await predict(new Float64Array([1, 2, 3]).subarray(1))).toEqual(Float64Array.of(6, 9))
    await expect(predict('throw')).rejects.toMatchObject({ message: 'no such row' })
    await expect(predict('function')).rejects.toMatchObject(code('ENGINE_FAILED'))
    await expect(predict(() => {})).rejects.toMatchObject(code('INVALID_INPUT'))
    expect(await predict('call', { key: 'k', id: 'an id', idempotent: false, timeoutMs: 60_000 })).toMatchObject({ id: 'an id', key: 'k', isShadow: false, isIdempotent: false, traceContext: undefined })
    const traceContext = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
    const traced = layer<unknown, unknown>('traced', { one: (next, input, call) => {
      call.note().traceContext = traceContext
      return next(input, call)
    } })
    expect(await pipe(predict, retry({ retries: 1 }), traced)('call')).toMatchObject({ traceContext })
    const results = await predict.detailedBatch([1, 'throw', 3])
    expect(results.map((result) => (result.ok ? result.output : (result.error as Error).message))).toEqual([3, 'no such row', 9])
    await expect(predict('exit', { idempotent: false })).rejects.toMatchObject(code('ENGINE_CRASHED'))
    expect(await predict(2)).toBe(6)
  })

  test(`${isolate}: onnx computes elsewhere as it does here`, async () => {
    const files = new ModelFiles('sum@1', new Map([['model.onnx', onnxAffine([[1], [2]], [0.5])]]))
    const version = { name: 'sum', version: 1, digest: '', manifest: { files: [] } } as unknown as ModelVersion
    const model = (await isolated(onnx({ output: ([y]) => y }), { isolate, entry: await entryFile() }).load(files, version)) as { predictBatch(rows: readonly unknown[]): Promise<unknown[]>; dispose(): Promise<void> }
    loaded.push(model)
    const predict = pipe(model)
    expect(await predict([1, 2])).toBe(5.5)
    expect(await predict.batch([[1, 2], Float32Array.of(1, 2), [0, 0]])).toEqual([5.5, 5.5, 0.5])
    await expect(predict([1])).rejects.toMatchObject(code('INVALID_INPUT'))
  })
}

test('worker: tfjs computes elsewhere as it does here', async () => {
  await tf.setBackend('cpu')
  const layers = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2], kernelInitializer: 'ones', biasInitializer: 'ones' })] })
  const files = new ModelFiles('sum@2', new Map(Object.entries(await tfjsFiles(layers)).map(([path, content]) => [path, typeof content === 'string' ? new TextEncoder().encode(content) : content])))
  layers.dispose()
  const version = { name: 'sum', version: 1, digest: '', manifest: { files: [] } } as unknown as ModelVersion
  const model = (await isolated(tfjs(tf, { output: ([y]) => y }), { isolate: 'worker', entry: await entryFile() }).load(files, version)) as { predictBatch(rows: readonly unknown[]): Promise<unknown[]>; dispose(): Promise<void> }
  loaded.push(model)
  expect(await pipe(model).batch([[1, 2], [0, 0]])).toEqual([4, 1])
})

test('worker: a module\'s tensor engine is asked by rows that become tensors here', async () => {
  const engine = isolated<number[], number[]>(engineModule, { name: 'tiny', export: 'tiny', isolate: 'worker', entry: await entryFile() })
  const { files, version } = versionOf({ 'factor.json': '3' })
  const model = await engine.load(files, version)
  loaded.push(model as { dispose(): Promise<void> })
  const predict = pipe(model as { predictBatch(rows: readonly number[][]): Promise<number[][]> })
  expect(await predict.batch([[1], [2]])).toEqual([[3], [6]])
  await expect(predict([acts.throw])).rejects.toMatchObject({ ...code('ENGINE_FAILED'), cause: { message: 'the engine threw' } })
})

test('worker: one that ends, or takes nothing, while the pieces of a large file are on their way is a crash, not a wait for ever', async () => {
  const folder = await temporaryFolder()
  const { files, version } = versionOf({ 'large.bin': new Uint8Array(2 << 20) })
  for (const [program, reason, loadDeadlineMs] of [['process.exit(3)', 'exit code 3', 20_000], ['setInterval(() => {}, 1000)', 'loading took longer than 1000 ms', 1000]] as const) {
    const entry = join(folder, `${reason.slice(0, 4)}.mjs`)
    await writeFile(entry, program)
    const engine = isolated(tinyEngine(), { isolate: 'worker', entry: pathToFileURL(entry), loadDeadlineMs })
    await expect(engine.load(files, version)).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), reason })
  }
})

test('an engine that cannot be made there says why', async () => {
  const options = { isolate: 'worker', entry: await entryFile() } as const
  await expect(loadTiny(isolated(tinyEngine({}, 'broken'), options))).rejects.toMatchObject({ message: 'no engine today' })
  await expect(loadTiny(isolated(tinyEngine({}, 'nothing'), options))).rejects.toMatchObject({ ...code('INVALID_OPTION'), message: expect.stringContaining('`nothing`') as string })
  await expect(loadTiny(isolated(tinyEngine({}, 'missing'), options))).rejects.toMatchObject({ ...code('INVALID_OPTION'), message: expect.stringContaining('broken, nothing, rows, tiny') as string })
  const nowhere = { ...tinyEngine(), tensors: { name: 'tiny', origin: { module: 'no-such-package', export: 'x', options: {} }, load: async () => { throw new Error('no') } } } as never
  await expect(loadTiny(isolated(nowhere, options))).rejects.toMatchObject({ code: 'ERR_MODULE_NOT_FOUND' })
})

test('process: a run that hangs is killed at the deadline, and the others go on', async () => {
  const { model, engine } = await isolatedTiny({ isolate: 'process', deadlineMs: 1000, workers: 2 })
  const run = model.run(acts.hang)
  expect(valueOf(await model.run(21))).toBe(42)
  await expect(run).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), reason: 'a run took longer than 1000 ms', signal: 'SIGKILL' })
  await Promise.all([model.run(acts.sleep), model.run(acts.sleep)])
  expect(engine.stats()).toMatchObject({ crashes: 1, replays: 0, lost: 0 })
})

test('worker: a run that hangs cannot be killed: its worker is given up, and another one takes its place', async () => {
  const { model, engine } = await isolatedTiny({ isolate: 'worker', deadlineMs: 100 })
  await expect(model.run(acts.slow)).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), reason: 'a run took longer than 100 ms' })
  expect(valueOf(await model.run(21))).toBe(42)
  await vi.waitFor(() => expect(engine.stats()).toMatchObject({ crashes: 1, lost: 0 }), soon) // It came back after all.
})

test('process: a model that aborts tells so, with its last words; loading that aborts or hangs does too', async () => {
  const engine = isolated(tinyEngine(), { isolate: 'process', entry: await entryFile(), loadDeadlineMs: 3000, replay: 'never' })
  const model = await loadTiny(engine)
  await expect(model.run(acts.abort)).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), signal: 'SIGABRT', output: expect.stringContaining('stack trace') as string })
  expect(valueOf(await model.run(21))).toBe(42)
  await model.dispose()
  await expect(loadTiny(engine, { load: 'abort' })).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), signal: 'SIGABRT' })
  await expect(loadTiny(engine, { load: 'hang' })).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), reason: 'loading took longer than 3000 ms' })
  await vi.waitFor(() => expect(childrenOf(process.pid)).toEqual([]), soon)
})

test('process: one that stands by takes the place of one that crashed; without a model nobody stands by', async () => {
  const { model, engine } = await isolatedTiny({ isolate: 'process', standby: true })
  const pids = [engine.stats().isolates[0]?.pid]
  for (const crashes of [1, 2]) {
    await vi.waitFor(() => expect(childrenOf(process.pid)).toHaveLength(2), soon)
    const standby = childrenOf(process.pid).find((pid) => pid !== pids.at(-1))
    process.kill(pids.at(-1) as number, 'SIGKILL')
    await vi.waitFor(() => expect(engine.stats().crashes).toBe(crashes), soon)
    expect(valueOf(await model.run(21))).toBe(42)
    pids.push(engine.stats().isolates[0]?.pid)
    expect(pids.at(-1)).toBe(standby)
  }
  await model.dispose()
  await vi.waitFor(() => expect(childrenOf(process.pid)).toEqual([]), soon)
})

test('worker: the next version is loaded into the worker of the last one, which ends when no version comes for it', async () => {
  const clock = fakeClock()
  const engine = isolated(tinyEngine(), { isolate: 'worker', entry: await entryFile(), clock })
  const names = new Set<string | undefined>()
  for (let version = 1; version <= 5; version += 1) {
    const model = await loadTiny(engine, {}, version)
    expect((await model.run(1))['version']?.data).toEqual([`tiny@${version}`])
    names.add(engine.stats().isolates[0]?.name)
    await model.dispose()
  }
  expect(names.size).toBe(1)
  expect([clock.pending, clock.holding]).toEqual([1, 0])
  await clock.advance(30_000)
  const model = await loadTiny(engine)
  expect(engine.stats().isolates[0]?.name).not.toBe([...names][0])
  await model.dispose()
  await clock.advance(30_000)
})

test('worker: without replays whole buffers are moved, not copied; a part of one is copied', async () => {
  const { model } = await isolatedTiny({ isolate: 'worker' })
  const [whole, part] = [Float32Array.of(1, 2), Float32Array.of(1, 2, 3).subarray(1)]
  expect(valueOf(await model.run(whole))).toBe(2)
  expect(valueOf(await model.run(part))).toBe(4)
  expect([whole.length, part.length]).toEqual([0, 2])
})

test('process: it sees the environment and the flags that it is given', async () => {
  const { model } = await isolatedTiny({ isolate: 'process', env: { FACTOR: '5' }, execArgv: ['--no-warnings'] }, { factor: 'environment' })
  expect(valueOf(await model.run(1))).toBe(5)
})

test('inline gives the engine as it is, and a module\'s engine from here', async () => {
  const engine = isolated(functionEngine(() => (x: number) => x + 1), { isolate: 'inline' })
  const { files, version } = versionOf({ 'factor.json': '3' })
  expect(await pipe((await engine.load(files, version)) as (x: number) => number)(1)).toBe(2)
  expect(engine.stats()).toMatchObject({ runs: 0, isolates: [] })
  const module = isolated<number, number>(engineModule, { name: 'rows', export: 'rows', isolate: 'inline' })
  expect(await pipe((await module.load(files, version)) as { predict(x: number): Promise<number> })(2)).toBe(6)
})

test('an engine that cannot be made elsewhere is refused, and told how it can be', () => {
  const message = expect.stringContaining("isolated(new URL('./engine.js', import.meta.url)") as string
  const refused = expect.objectContaining({ ...code('INVALID_OPTION'), message }) as Error
  expect(() => isolated(functionEngine(() => (x: number) => x), { isolate: 'worker' })).toThrow(refused)
  expect(() => isolated(onnx({ ort: { Tensor: class {}, InferenceSession: { create: async () => ({}) } } as never }), { isolate: 'worker' })).toThrow(refused)
  const own: Engine<number, number> = { ...tinyEngine(), tensors: { name: 'own', load: async () => { throw new Error('no') } } } as never
  expect(() => isolated(own, { isolate: 'process' })).toThrow(refused)
  expect(() => isolated(isolated(onnx(), { isolate: 'worker' }), { isolate: 'process' })).toThrow(refused)
})

test.each<[object, RegExp]>([
  [{}, /`isolate`/],
  [{ isolate: 'thread' }, /'inline', 'worker', 'process'/],
  [{ isolate: 'worker', workers: 0 }, /`workers`/],
  [{ isolate: 'worker', maxQueue: -1 }, /`maxQueue`/],
  [{ isolate: 'worker', deadlineMs: 0 }, /`deadlineMs`/],
  [{ isolate: 'worker', loadDeadlineMs: Number.NaN }, /`loadDeadlineMs`/],
  [{ isolate: 'worker', replay: 'always' }, /`replay`/],
  [{ isolate: 'worker', maxCrashes: 1.5 }, /`maxCrashes`/],
  [{ isolate: 'worker', maxMemoryBytes: 0 }, /`maxMemoryBytes`/],
  [{ isolate: 'worker', niceness: 20 }, /`niceness`/],
  [{ isolate: 'worker', standby: true }, /`standby`/],
  [{ isolate: 'process', standby: 1 }, /`standby`/],
  [{ isolate: 'process', entry: './entry.js' }, /`entry`/],
  [{ isolate: 'process', entry: new URL('http://example.org/') }, /`entry`/],
  [{ isolate: 'process', execArgv: '--flag' }, /`execArgv`/],
  [{ isolate: 'process', env: 'A=1' }, /`env`/],
  [{ isolate: 'process', threads: 2 }, /no option `threads`/],
  [{ isolate: 'process', export: 'x' }, /no option `export`/],
])('isolated refuses %j', (options, message) => {
  expect(() => isolated(tinyEngine(), options as never)).toThrow(expect.objectContaining({ ...code('INVALID_OPTION'), message: expect.stringMatching(message) as string }) as Error)
})

test('isolated refuses a module without a name', () => {
  expect(() => isolated(engineModule, { isolate: 'worker' } as never)).toThrow(expect.objectContaining(code('INVALID_OPTION')) as Error)
})
