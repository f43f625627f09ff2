/**
 * The HTTP engine against real model servers: MLServer, KServe's Python server and NVIDIA Triton, by the Open Inference
 * Protocol v2 with JSON and with binary tensors, and by `:predict` of TensorFlow Serving, which KServe speaks as its
 * protocol v1. TensorFlow Serving itself comes as a Docker image and from an apt archive of its own only; it is not judged.
 */
import { isDeepStrictEqual } from 'node:util'
import { http, memoryDepot, ModelFiles, modelLoader, modelStore, type HttpEngineOptions, type ModelSignature, type ModelVersion, type TensorCall, type TensorModel } from 'outrigger/models'
import type { DType, Tensor, Tensors } from 'outrigger/schema'
import { check, type Check, type Judge } from '../judge.js'
import { startKserve, startMlserver, startTriton, tritonOf, versionOf, type RunningServer } from './model-servers.js'

const call = (signal = new AbortController().signal): TensorCall => ({ signal, remainingMs: () => Infinity, isIdempotent: true })
const signature: ModelSignature = { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }] }
const filesOf = (endpoint: object): ModelFiles => new ModelFiles('judged@1', new Map([['endpoint.json', new TextEncoder().encode(JSON.stringify(endpoint))]]))
const versionWith = (known: ModelSignature | undefined): ModelVersion => ({
  name: 'judged', version: 1, digest: '0'.repeat(64),
  manifest: { format: 'outrigger-model', formatVersion: 1, name: 'judged', version: 1, engine: 'http', files: [], created: '2026-01-01T00:00:00.000Z', ...(known === undefined ? {} : { signature: known }) },
})

const expect = (holds: boolean, seen: unknown): void => {
  if (!holds) throw new Error(`seen: ${JSON.stringify(seen, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))}`)
}

/** One of each type, two by two. */
const everyType = {
  float32: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(0.1, -3.4e38, 1e-45, -0.5) },
  float64: { dtype: 'float64', shape: [2, 2], data: Float64Array.of(0.1, Number.MAX_VALUE, 5e-324, -1 / 3) },
  float16: { dtype: 'float16', shape: [2, 2], data: Uint16Array.of(0x3c00, 0x0001, 0xfbff, 0x3555) },
  int8: { dtype: 'int8', shape: [2, 2], data: Int8Array.of(-128, 127, 0, 1) },
  uint8: { dtype: 'uint8', shape: [2, 2], data: Uint8Array.of(255, 0, 1, 2) },
  int16: { dtype: 'int16', shape: [2, 2], data: Int16Array.of(-32_768, 32_767, 0, 1) },
  uint16: { dtype: 'uint16', shape: [2, 2], data: Uint16Array.of(65_535, 0, 1, 2) },
  int32: { dtype: 'int32', shape: [2, 2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 1) },
  uint32: { dtype: 'uint32', shape: [2, 2], data: Uint32Array.of(2 ** 32 - 1, 0, 1, 2) },
  int64: { dtype: 'int64', shape: [2, 2], data: BigInt64Array.of(-(2n ** 53n) + 1n, 2n ** 53n - 1n, 0n, 1n) },
  uint64: { dtype: 'uint64', shape: [2, 2], data: BigUint64Array.of(2n ** 53n - 1n, 0n, 1n, 2n) },
  bool: { dtype: 'bool', shape: [2, 2], data: Uint8Array.of(1, 0, 0, 1) },
  string: { dtype: 'string', shape: [2, 2], data: ['Zürich', '', '"quoted"', '日本'] },
} satisfies Record<DType, Tensor>

/** What ours and a server agreed upon. */
interface Spoken {
  readonly name: string
  readonly server: RunningServer
  /** Without the model. */
  readonly endpoint: object
  /** Versions of `affine`, if the server has any. */
  readonly version?: string
  /** Of `affine`, where the server does not know it. */
  readonly signature?: ModelSignature
  /** Types that `echo` gives back; none where the protocol has only one output without a name. */
  readonly types: readonly DType[]
  /** Why other types do not come back. */
  readonly without?: string
}

const load = (options: HttpEngineOptions, endpoint: object, known?: ModelSignature): Promise<TensorModel> => http(options).tensors!.load(filesOf(endpoint), versionWith(known))

const conversation = async ({ name, server, endpoint, version, signature: known, types, without }: Spoken): Promise<Check[]> => {
  const options = { baseUrl: server.url }
  const affine = { ...endpoint, model: 'affine', ...(version === undefined ? {} : { version }) }
  const engine = http(options)
  const rows = async (): Promise<{ predictBatch(rows: readonly unknown[], call: unknown): Promise<unknown[]>; predict(row: unknown, call: unknown): Promise<unknown> }> => (await engine.load(filesOf(affine), versionWith(known))) as never
  return [
    await check(`${name}: rows, one and many, as worked out by hand`, async () => {
      const model = await rows()
      const one = await model.predict([1, 2], call())
      expect(isDeepStrictEqual(one, [5.5, 10.5]), one)
      const many = await model.predictBatch(Array.from({ length: 64 }, (_, row) => [row, row / 2]), call())
      expect(many.every((output, row) => isDeepStrictEqual(output, [row + row + 0.5, 3 * row + 2 * row - 0.5])), many)
      return `[1, 2] → [${String(one)}]; 64 rows in one request`
    }),
    await check(`${name}: NaN comes back as NaN`, async () => {
      const outputs = await (await rows()).predictBatch([[-1, 0], [1, 2]], call())
      expect(isDeepStrictEqual(outputs, [[NaN, NaN], [5.5, 10.5]]), outputs)
      return 'row of NaN beside a row of numbers'
    }),
    ...(types.length === 0 ? [] : [await check(`${name}: ${types.length} types there and back`, async () => {
      const model = await load(options, { ...endpoint, model: 'echo' })
      const inputs: Tensors = Object.fromEntries(types.map((type) => [type, everyType[type]]))
      const outputs = await model.run(inputs, call())
      for (const type of types) expect(isDeepStrictEqual(outputs[`${type}_out`], everyType[type]), { type, got: outputs[`${type}_out`]?.data, shape: outputs[`${type}_out`]?.shape })
      return `${types.join(', ')}${without === undefined ? '' : `; ${without}`}`
    })]),
    await check(`${name}: what is not there and what does not fit are errors with the server's words`, async () => {
      const missing = await load(options, { ...endpoint, model: 'nobody' }).catch((error: unknown) => error) as { code?: string; status?: number; retryable?: boolean }
      expect(missing.code === 'ERR_OUTRIGGER_ENGINE_FAILED' && (missing.status === 404 || missing.status === 400) && missing.retryable === false, missing)
      const model = await load(options, affine, known)
      const wrong = await model.run({ x: { dtype: 'float32', shape: [1, 3], data: Float32Array.of(1, 2, 3) } }, call()).catch((error: unknown) => error) as { code?: string; status?: number; message?: string }
      expect(wrong.code === 'ERR_OUTRIGGER_ENGINE_FAILED' && typeof wrong.status === 'number', wrong)
      return `no such model: ${missing.status}; three columns for two: ${wrong.status}, "${wrong.message?.split('current value is ')[1]?.slice(0, 90)}"`
    }),
    await check(`${name}: the caller's abort ends the request`, async () => {
      const model = await load(options, affine, known)
      const controller = new AbortController()
      const run = model.run({ x: { dtype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) } }, call(controller.signal))
      controller.abort()
      const error = await run.catch((thrown: unknown) => thrown) as { code?: string }
      expect(error.code === 'ERR_OUTRIGGER_ABORTED', error)
      return 'ERR_OUTRIGGER_ABORTED'
    }),
  ]
}

/** Milliseconds that a request takes, the median of several. */
const medianMs = async (run: () => Promise<unknown>, times: number): Promise<number> => {
  const took: number[] = []
  for (let time = 0; time < times; time += 1) {
    const from = performance.now()
    await run()
    took.push(performance.now() - from)
  }
  return took.sort((a, b) => a - b)[times >> 1] as number
}

/** What binary tensors gain. */
const speed = (server: RunningServer): Promise<Check> =>
  check('Triton: 1000 rows of two float32 there and back', async () => {
    const x = Float32Array.from({ length: 2000 }, (_, at) => at / 7)
    const took = async (binary: boolean): Promise<number> => {
      const model = await load({ baseUrl: server.url }, { protocol: 'v2', model: 'echo', binary })
      const inputs: Tensors = { float32: { dtype: 'float32', shape: [1000, 2], data: x } }
      await medianMs(() => model.run(inputs, call()), 20)
      return medianMs(() => model.run(inputs, call()), 100)
    }
    const [json, binary] = [await took(false), await took(true)]
    return `median ${json.toFixed(2)} ms by JSON, ${binary.toFixed(2)} ms as binary tensors`
  })

/** Two versions on Triton as two versions in a store: gate, swap, rollback. */
const released = (server: RunningServer): Promise<Check> =>
  check('Triton: released, gated, swapped and rolled back like any model', async () => {
    const store = modelStore({ depot: memoryDepot() })
    const publish = (version: string, output: readonly number[]): Promise<unknown> =>
      store.publish({ name: 'affine', engine: 'http', files: { 'endpoint.json': JSON.stringify({ protocol: 'v2', url: server.url, model: 'affine', version }) }, golden: [{ input: [1, 2], output }] })
    await publish('1', [5.5, 10.5])
    await store.setAlias('affine', 'champion', 1)
    const predict = modelLoader({ store, name: 'affine', follow: 'champion', engines: [http({ origins: [server.url] })] })
    await predict.whenReady()
    const first = await predict([1, 2])
    await publish('2', [6.5, 11.5])
    await publish('2', [5.5, 10.5]) // golden predictions of another model
    await store.setAlias('affine', 'champion', 2)
    await predict.refresh()
    const second = await predict([1, 2])
    await store.setAlias('affine', 'champion', 3)
    const refused = await predict.refresh().then(() => undefined, (error: unknown) => error)
    const third = await predict([1, 2])
    await store.setAlias('affine', 'champion', 1)
    await predict.refresh()
    const back = await predict([1, 2])
    await predict.close()
    expect(isDeepStrictEqual([first, second, third, back], [[5.5, 10.5], [6.5, 11.5], [6.5, 11.5], [5.5, 10.5]]), [first, second, third, back])
    return `version 1 [${first.join()}] → 2 [${second.join()}] → 3 refused (${String((refused as { code?: string } | undefined)?.code ?? 'said by event')}), 2 stays → 1 again`
  })

export const judge: Judge = async () => {
  const types = Object.keys(everyType) as DType[]
  const servers: RunningServer[] = []
  const started = async (starting: Promise<RunningServer>): Promise<RunningServer> => {
    const server = await starting
    servers.push(server)
    return server
  }
  const checks: Check[] = []
  const versions: Record<string, string> = {}
  try {
    const mlserver = await started(startMlserver())
    const kserve = await started(startKserve())
    const triton = await started(startTriton(types))
    Object.assign(versions, { MLServer: await versionOf(mlserver), 'KServe (Python server)': await versionOf(kserve), Triton: `${await versionOf(triton)} (wheel nvidia-pytriton ${tritonOf()})` })
    const json = types.filter((type) => type !== 'float16')
    const without = 'float16 it takes as binary tensors only'
    checks.push(
      ...(await conversation({ name: 'MLServer, JSON', server: mlserver, endpoint: { protocol: 'v2' }, version: '3', types })),
      ...(await conversation({ name: 'KServe, JSON', server: kserve, endpoint: { protocol: 'v2' }, signature, types: json, without })),
      ...(await conversation({ name: 'KServe, binary tensors', server: kserve, endpoint: { protocol: 'v2', binary: true }, signature, types })),
      ...(await conversation({ name: 'KServe, :predict', server: kserve, endpoint: { protocol: 'tensorflow' }, signature, types: [] })),
      ...(await conversation({ name: 'Triton, JSON', server: triton, endpoint: { protocol: 'v2', binary: false }, version: '1', types: json, without })),
      ...(await conversation({ name: 'Triton, binary tensors', server: triton, endpoint: { protocol: 'v2' }, version: '1', types })),
      await released(triton),
      await speed(triton),
    )
  } finally {
    for (const server of servers) await server.stop()
  }
  return { versions, checks }
}
