import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { getEventListeners, once } from 'node:events'
import { pipe, retry } from 'outrigger'
import { hasCode } from 'outrigger/core'
import { http, ModelFiles, type EngineObject, type HttpEngineOptions, type ModelSignature, type ModelVersion, type TensorCall, type TensorModel, type TensorRow } from 'outrigger/models'
import type { Tensor, Tensors } from 'outrigger/schema'
import { fakeClock } from 'outrigger/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { modelServer, openInferenceServer, tensorflowServer, type ModelServer, type Seen } from './_model-servers.js'

const servers: ModelServer[] = []
const started = async (starting: Promise<ModelServer>): Promise<ModelServer> => {
  const server = await starting
  servers.push(server)
  return server
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

const call = (signal = new AbortController().signal): TensorCall => ({ signal, remainingMs: () => Infinity, isIdempotent: true })
const filesOf = (endpoint: unknown): ModelFiles => new ModelFiles('m@1', new Map([['endpoint.json', new TextEncoder().encode(JSON.stringify(endpoint))]]))
const versionOf = (signature?: ModelSignature): ModelVersion => ({
  name: 'm', version: 1, digest: '0'.repeat(64),
  manifest: { format: 'outrigger-model', formatVersion: 1, name: 'm', version: 1, engine: 'http', files: [], created: '2026-01-01T00:00:00.000Z', ...(signature === undefined ? {} : { signature }) },
})
/** The adapter, without rows. */
const tensorsOf = async (options: HttpEngineOptions, endpoint: unknown, signature?: ModelSignature): Promise<TensorModel> => {
  const { tensors } = http(options)
  if (tensors === undefined) throw new Error('no adapter')
  return tensors.load(filesOf(endpoint), versionOf(signature))
}
const rowsOf = async <O = number[]>(options: HttpEngineOptions<O>, endpoint: unknown, signature?: ModelSignature): Promise<Required<EngineObject<TensorRow, O>>> =>
  (await http(options).load(filesOf(endpoint), versionOf(signature))) as Required<EngineObject<TensorRow, O>>
const float32 = (data: readonly number[], shape: readonly number[]): Tensor => ({ dtype: 'float32', shape, data: Float32Array.from(data) })
const sum = { protocol: 'v2', model: 'sum', version: '3' }

/** One of each type, with the ends of their ranges. */
const everyType = {
  f16: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xfbff) },
  f32: float32([0.1, -3.4e38], [2]),
  f64: { dtype: 'float64', shape: [2, 1], data: Float64Array.of(0.1, Number.MAX_VALUE) },
  i8: { dtype: 'int8', shape: [2], data: Int8Array.of(-128, 127) },
  u8: { dtype: 'uint8', shape: [2], data: Uint8Array.of(0, 255) },
  i16: { dtype: 'int16', shape: [2], data: Int16Array.of(-32_768, 32_767) },
  u16: { dtype: 'uint16', shape: [2], data: Uint16Array.of(0, 65_535) },
  i32: { dtype: 'int32', shape: [2], data: Int32Array.of(-(2 ** 31), 2 ** 31 - 1) },
  u32: { dtype: 'uint32', shape: [2], data: Uint32Array.of(0, 2 ** 32 - 1) },
  i64: { dtype: 'int64', shape: [2], data: BigInt64Array.of(-(2n ** 53n) + 1n, 5n) },
  u64: { dtype: 'uint64', shape: [2], data: BigUint64Array.of(0n, 2n ** 53n - 1n) },
  bool: { dtype: 'bool', shape: [2, 2], data: Uint8Array.of(1, 0, 0, 1) },
  text: { dtype: 'string', shape: [2], data: ['Zürich, "NaN"', ''] },
} satisfies Tensors

describe('http by the Open Inference Protocol', () => {
  it.each([['JSON', false], ['binary tensors', true]])('predicts one row and many, by %s', async (_, binary) => {
    const server = await started(openInferenceServer({ binary }))
    const model = await rowsOf({ baseUrl: server.url }, sum)
    expect(model.describe()).toMatchObject({ device: 'http', bytes: 0, batchable: true, signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null, 2] }] } })
    await expect(model.predict([1, 2], call() as never)).resolves.toEqual([3, -1])
    await expect(model.predictBatch([[1, 2], new Float32Array([3, 4])], call() as never)).resolves.toEqual([[3, -1], [7, -1]])
    expect(server.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /v2/models/sum/versions/3/ready', 'GET /v2', 'GET /v2/models/sum/versions/3', 'POST /v2/models/sum/versions/3/infer', 'POST /v2/models/sum/versions/3/infer',
    ])
    expect(server.connections).toBeLessThanOrEqual(2) // kept alive
  })

  it.each([['JSON', false], ['binary tensors', true]])('carries every type and shape, by %s', async (_, binary) => {
    const server = await started(openInferenceServer({ binary }))
    const model = await tensorsOf({ baseUrl: server.url }, { protocol: 'v2', model: 'echo' })
    expect(model.describe().signature).toBeUndefined()
    const outputs = await model.run(everyType, call())
    expect(outputs).toEqual(Object.fromEntries(Object.entries(everyType).map(([name, tensor]) => [`${name}_out`, tensor])))
    const beyond: Tensors = { x: { dtype: 'int64', shape: [1], data: BigInt64Array.of(2n ** 63n - 1n) }, none: float32([], [0, 2]) }
    if (binary) await expect(model.run(beyond, call())).resolves.toEqual({ x_out: beyond['x'], none_out: beyond['none'] })
    else await expect(model.run(beyond, call())).rejects.toThrow(/x_out.*integer.*beyond/)
  })

  it('sends what is not finite as bytes, and says clearly that JSON cannot', async () => {
    const inputs = { x: float32([NaN, -Infinity], [1, 2]) }
    const binary = await tensorsOf({ baseUrl: (await started(openInferenceServer({ binary: true }))).url }, { protocol: 'v2', model: 'echo' })
    await expect(binary.run(inputs, call())).resolves.toEqual({ x_out: inputs.x })
    const json = await tensorsOf({ baseUrl: (await started(openInferenceServer())).url }, { protocol: 'v2', model: 'echo' })
    await expect(json.run(inputs, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT', message: expect.stringContaining('`x` must be finite') as string })
    await expect(json.run({ x: { dtype: 'float16', shape: [1], data: Uint16Array.of(0x7c00) } }, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_INPUT' })
  })

  it('takes binary tensors as the version says, where the server does not', async () => {
    const server = await started(openInferenceServer({ binary: true }))
    await (await tensorsOf({ baseUrl: server.url }, { ...sum, binary: false })).run({ x: float32([1, 2], [1, 2]) }, call())
    expect(server.seen.at(-1)?.headers['content-type']).toBe('application/json')
    server.instead = ({ path }) => (path === '/v2' ? { status: 404 } : undefined)
    await (await tensorsOf({ baseUrl: server.url }, sum)).run({ x: float32([1, 2], [1, 2]) }, call())
    expect(server.seen.at(-1)?.headers['content-type']).toBe('application/json')
    await (await tensorsOf({ baseUrl: server.url }, { ...sum, binary: true })).run({ x: float32([1, 2], [1, 2]) }, call())
    expect(server.seen.at(-1)?.headers['content-type']).toBe('application/octet-stream')
  })

  it.each([
    ['NaN and infinities as words', '{"outputs":[{"name":"y","datatype":"FP32","shape":[1,3],"data":[NaN,-Infinity,Infinity]}]}', [NaN, -Infinity, Infinity]],
    ['null for NaN', '{"id":"NaN","outputs":[{"name":"y","datatype":"FP64","shape":[1,2],"data":[null,1.5]}]}', [NaN, 1.5]],
    ['texts for what is not finite', '{"outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":["NaN","-Infinity"]}]}', [NaN, -Infinity]],
    ['nested data', '{"outputs":[{"name":"y","datatype":"INT64","shape":[2,2],"data":[[1,2],[3,4]]}]}', [1n, 2n, 3n, 4n]],
  ])('reads %s', async (_, body, expected) => {
    const server = await started(openInferenceServer())
    const model = await tensorsOf({ baseUrl: server.url }, sum)
    server.instead = () => ({ body })
    const { y } = await model.run({ x: float32([1, 2], [1, 2]) }, call())
    expect(Array.from(y?.data as Float32Array)).toEqual(expected)
  })

  it.each([
    ['no JSON', 'hello', /must be what the protocol says/],
    ['no outputs', '{}', /must have `outputs`/],
    ['an unknown type', '{"outputs":[{"name":"y","datatype":"BF16","shape":[1],"data":[1]}]}', /type of `y`.*BF16/],
    ['too few elements', '{"outputs":[{"name":"y","datatype":"FP32","shape":[2],"data":[1]}]}', /must have 2 elements.*current value is 1/],
    ['too many elements', '{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[1,2]}]}', /must have 1 elements.*current value is 2/],
    ['a shape of nonsense', '{"outputs":[{"name":"y","datatype":"FP32","shape":[-1],"data":[1]}]}', /shape of `y`/],
    ['a text among numbers', '{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":["one"]}]}', /elements must be a number.*one/],
    ['an integer out of range', '{"outputs":[{"name":"y","datatype":"INT8","shape":[1],"data":[200]}]}', /integer from -128 to 127.*200/],
    ['null among integers', '{"outputs":[{"name":"y","datatype":"INT8","shape":[1],"data":[null]}]}', /integer/],
    ['another version', '{"model_version":"4","outputs":[]}', /must be of version 3.*4/],
    ['fewer elements than a shape of gigabytes', '{"outputs":[{"name":"y","datatype":"FP32","shape":[1000000,1000000],"data":[1]}]}', /must have 1000000000000 elements.*current value is 1/],
    ['a text that never ends', `{"outputs":NaN,"${'\\"'.repeat(100_000)}`, /protocol/],
    ['a null in the place of an output', '{"outputs":[null]}', /protocol/],
  ])('refuses an answer with %s', async (_, body, message) => {
    const server = await started(openInferenceServer())
    const model = await tensorsOf({ baseUrl: server.url }, sum)
    server.instead = () => ({ body })
    await expect(model.run({ x: float32([1, 2], [1, 2]) }, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', retryable: false, message: expect.stringMatching(message) as string })
  })

  it.each([
    ['a length beyond the end', '999', 'FP32', [1], Buffer.alloc(4)],
    ['too few bytes', undefined, 'FP32', [2], Buffer.alloc(4)],
    ['a broken element', undefined, 'FP32', [1], Buffer.alloc(3)],
    ['a broken text', undefined, 'BYTES', [1], Buffer.from([200, 0, 0, 0, 65])],
    ['a text that is no UTF-8', undefined, 'BYTES', [1], Buffer.from([1, 0, 0, 0, 0xff])],
  ])('refuses binary tensors with %s', async (_, length, datatype, shape, bytes) => {
    const server = await started(openInferenceServer({ binary: true }))
    const model = await tensorsOf({ baseUrl: server.url }, sum)
    const json = JSON.stringify({ outputs: [{ name: 'y', datatype, shape, parameters: { binary_data_size: bytes.length } }] })
    server.instead = () => ({ headers: { 'inference-header-content-length': length ?? String(json.length) }, body: Buffer.concat([Buffer.from(json), bytes]) })
    await expect(model.run({ x: float32([1, 2], [1, 2]) }, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', retryable: false })
  })
})

describe('http by TensorFlow Serving', () => {
  it.each([['rows', 'row'], ['columns', 'columnar']])('predicts by %s, also what is not finite', async (_, format) => {
    const server = await started(tensorflowServer())
    const model = await rowsOf({ baseUrl: server.url }, { protocol: 'tensorflow', model: 'sum', label: 'stable', format })
    expect(model.describe()).toMatchObject({ device: 'http', batchable: true, signature: { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 2] }] } })
    await expect(model.predictBatch([[1, 2], [NaN, Infinity]], call() as never)).resolves.toEqual([[3, -1], [NaN, NaN]])
    await expect(model.predict([Infinity, 1], call() as never)).resolves.toEqual([Infinity, Infinity])
    expect(server.seen.map(({ path }) => path)).toEqual(['/v1/models/sum/labels/stable', '/v1/models/sum/labels/stable/metadata', '/v1/models/sum/labels/stable:predict', '/v1/models/sum/labels/stable:predict'])
    expect(Object.keys(JSON.parse(String(server.seen.at(-2)?.body).replace('NaN', '0').replace('Infinity', '0')) as object)).toEqual(['signature_name', format === 'row' ? 'instances' : 'inputs'])
  })

  it.each(['row', 'columnar'])('takes several inputs and outputs, texts and integers, in format %s', async (format) => {
    const server = await started(tensorflowServer())
    const model = await tensorsOf({ baseUrl: server.url }, { protocol: 'tensorflow', model: 'pair', version: '3', format })
    const a: Tensor = { dtype: 'int64', shape: [2], data: BigInt64Array.of(-7n, 2n ** 53n - 1n) }
    const b: Tensor = { dtype: 'string', shape: [2, 2, 1], data: ['a', '"b"', 'Zürich', 'NaN'] }
    await expect(model.run({ a, b }, call())).resolves.toEqual({ a_out: a, b_out: b })
    expect(model.describe().signature?.outputs).toEqual([{ name: 'a_out', dtype: 'int64', shape: [null] }, { name: 'b_out', dtype: 'string', shape: [null] }])
  })

  it.each(['row', 'columnar'])('takes bytes as base64, in format %s', async (format) => {
    const server = await started(tensorflowServer())
    const model = await rowsOf<{ text: unknown; bytes: unknown }>({ baseUrl: server.url, output: ([text], outputs) => ({ text, bytes: outputs['echo_bytes']?.[0] }) }, { protocol: 'tensorflow', model: 'image', format })
    const image = Buffer.from([0xff, 0xd8, 0x00]).toString('base64')
    await expect(model.predictBatch([image, ''], call() as never)).resolves.toEqual([{ text: '3 bytes', bytes: image }, { text: '0 bytes', bytes: '' }])
  })

  it('goes by the manifest where the server knows nothing of its model, as KServe does', async () => {
    const server = await started(modelServer(({ path, body }: Seen) => (path.endsWith(':predict') ? { predictions: (JSON.parse(String(body)) as { instances: number[][] }).instances.map(([a = 0]) => a * 2) } : path.endsWith('/metadata') ? (() => { throw new Error('no') })() : { name: 'm', ready: true })))
    const endpoint = { protocol: 'tensorflow', model: 'm' }
    const signature: ModelSignature = { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 1] }], outputs: [{ name: 'y', dtype: 'float64', shape: [null] }] }
    server.instead = ({ path }) => (path.endsWith('/metadata') ? { status: 404, body: '{"detail":"Not Found"}' } : undefined)
    const model = await rowsOf({ baseUrl: server.url }, endpoint, signature)
    await expect(model.predict([21], call() as never)).resolves.toEqual([42])
    await expect(rowsOf({ baseUrl: server.url }, endpoint)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', status: 404 })
    server.instead = () => undefined // a server in trouble is another thing than one that does not know
    await expect(rowsOf({ baseUrl: server.url }, endpoint, signature)).rejects.toMatchObject({ status: 500, retryable: true })
  })

  it.each([
    ['another signature', { model: 'sum', signatureName: 'other' }, /know the signature "other".*serving_default/],
    ['a type that JSON does not carry', { model: 'half' }, /DT_BFLOAT16/],
    ['a version that is not there', { model: 'sum', version: '9' }, /status 404 \(Servable not found/],
  ])('does not load %s', async (_, endpoint, message) => {
    const server = await started(tensorflowServer())
    await expect(rowsOf({ baseUrl: server.url }, { protocol: 'tensorflow', ...endpoint })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', message: expect.stringMatching(message) as string })
  })

  it('does not load a model that is not available yet, and may be asked again', async () => {
    const server = await started(tensorflowServer())
    server.instead = () => ({ body: '{"model_version_status":[{"version":"3","state":"LOADING"}]}' })
    await expect(rowsOf({ baseUrl: server.url }, { protocol: 'tensorflow', model: 'sum' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', retryable: true })
    server.instead = () => ({ body: '{"name":"sum","ready":false}' })
    await expect(rowsOf({ baseUrl: server.url }, { protocol: 'tensorflow', model: 'sum' })).rejects.toThrow(/must have it ready/)
  })
})

describe('http goes only where code allows', () => {
  it('to the origins it was given, and to nothing else that a version names', async () => {
    const server = await started(openInferenceServer())
    const origins = [server.url, 'https://models.example:8443']
    await expect(tensorsOf({ origins }, { ...sum, url: server.url })).resolves.toBeDefined()
    const asked = server.seen.length
    for (const url of ['http://169.254.169.254', server.url.replace('127.0.0.1', 'localhost'), 'https://models.example', 'http://models.example:8443', server.url.replace('127.0.0.1', '127.0.0.1.example')]) {
      await expect(tensorsOf({ origins }, { ...sum, url }), url).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNTRUSTED' })
    }
    for (const url of [undefined, 'file:///etc/passwd', `${server.url.replace('//', '//user:secret@')}`, `${server.url}?a=b`, `${server.url}#a`, 'nonsense', 7]) {
      await expect(tensorsOf({ origins }, { ...sum, url }), String(url)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
    }
    await expect(tensorsOf({ baseUrl: server.url }, { ...sum, url: server.url })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_UNTRUSTED' })
    expect(server.seen.length).toBe(asked)
  })

  it('below its base URL', async () => {
    const server = await started(modelServer(() => ({ inputs: [], outputs: [] })))
    const signature: ModelSignature = { inputs: [{ name: 'x', dtype: 'float32', shape: [null] }], outputs: [{ name: 'y', dtype: 'float32', shape: [null] }] }
    await tensorsOf({ baseUrl: `${server.url}/team/a` }, { protocol: 'v2', model: 'x/../../y?z#w', version: '1:predict' }, signature)
    expect(server.seen.map(({ path }) => path)).toContain('/team/a/v2/models/x%2F..%2F..%2Fy%3Fz%23w/versions/1%3Apredict/ready')
  })

  it('and follows no redirect', async () => {
    const server = await started(openInferenceServer())
    const other = await started(openInferenceServer())
    const model = await tensorsOf({ baseUrl: server.url }, sum)
    server.instead = ({ path }) => ({ status: 307, headers: { location: other.url + path } })
    await expect(model.run({ x: float32([1, 2], [1, 2]) }, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', status: 307, retryable: false })
    expect(other.seen).toEqual([])
  })

  it.each([
    ['no object', 7], ['null', null], ['another protocol', { protocol: 'grpc', model: 'm' }], ['a protocol of Object', { protocol: 'constructor', model: 'm' }], ['no model', { protocol: 'v2' }], ['a path for a model', { protocol: 'v2', model: '..' }],
    ['a number for a version', { protocol: 'v2', model: 'm', version: 3 }], ['an unknown field', { protocol: 'v2', model: 'm', headers: {} }], ['a field of the other protocol', { protocol: 'v2', model: 'm', label: 'stable' }],
    ['version and label', { protocol: 'tensorflow', model: 'm', version: '1', label: 'stable' }], ['no format', { protocol: 'tensorflow', model: 'm', format: 'csv' }], ['no truth', { protocol: 'v2', model: 'm', binary: 1 }], ['half a character', { protocol: 'v2', model: '\ud800' }],
  ])('refuses an endpoint with %s', async (_, endpoint) => {
    await expect(tensorsOf({ baseUrl: 'http://127.0.0.1:9' }, endpoint)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_CORRUPT' })
  })

  it.each([
    [{}], [{ baseUrl: 'http://a', origins: ['http://a'] }], [{ baseUrl: 'ftp://a' }], [{ baseUrl: 'http://user:secret@a' }], [{ origins: [] }], [{ origins: ['http://a/path'] }], [{ origins: ['a'] }],
    [{ baseUrl: 'http://a', timeoutMs: 0 }], [{ baseUrl: 'http://a', maxResponseBytes: 0 }], [{ baseUrl: 'http://a', fetch: 7 }], [{ baseUrl: 'http://a', hosts: [] }], [{ baseUrl: 'http://a', file: '' }], [{ baseUrl: 'http://a', headers: 'x' }],
  ])('is not made of %j', (options) => {
    expect(() => http(options as HttpEngineOptions)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('http when the server does not answer well', () => {
  const ready = async (options: Partial<HttpEngineOptions> = {}): Promise<{ server: ModelServer; model: TensorModel }> => {
    const server = await started(openInferenceServer())
    return { server, model: await tensorsOf({ baseUrl: server.url, ...options }, sum) }
  }
  const x = { x: float32([1, 2], [1, 2]) }

  it.each([
    [400, false], [401, false], [404, false], [422, false], [408, true], [429, true], [500, true], [502, true], [503, true],
  ])('says of status %i whether it may pass: %s', async (status, retryable) => {
    const { server, model } = await ready()
    server.instead = () => ({ status, headers: { 'retry-after': '2' }, body: '{"error":"the reason"}' })
    await expect(model.run(x, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', status, retryable, retryAfter: '2', message: expect.stringContaining(`status ${status} (the reason)`) as string })
  })

  it('is asked again by retry where that helps, when the server says so, and not otherwise', async () => {
    const server = await started(openInferenceServer())
    const model = await rowsOf({ baseUrl: server.url }, sum)
    const predict = pipe((row: TensorRow, modelCall) => model.predict(row, modelCall), retry({ retries: 2, minDelayMs: 0 }))
    let asked = 0
    const answering = (...statuses: number[]): void => {
      asked = 0
      server.instead = () => {
        const status = statuses[asked]
        asked += 1
        return status === undefined ? undefined : { status, headers: { 'retry-after': '0' } }
      }
    }
    answering(503, 429)
    await expect(predict([1, 2])).resolves.toEqual([3, -1])
    expect(asked).toBe(3)
    answering(400)
    await expect(predict([1, 2])).rejects.toMatchObject({ status: 400 })
    expect(asked).toBe(1)
  })

  it('tells a lost connection and a missing server', async () => {
    const { server, model } = await ready()
    server.instead = () => ({ destroy: true })
    await expect(model.run(x, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', retryable: true, cause: expect.anything() as unknown })
    await server.close()
    await expect(model.run(x, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', retryable: true })
  })

  it('ends the request with its caller', async () => {
    const { server, model } = await ready()
    const controller = new AbortController()
    const arrived = new Promise<void>((resolve) => (server.instead = () => (resolve(), { hang: true })))
    const run = model.run(x, call(controller.signal))
    await arrived
    controller.abort(new Error('gone'))
    const error = await run.catch((thrown: unknown) => thrown)
    expect(hasCode(error, 'ERR_OUTRIGGER_ABORTED')).toBe(true)
    await expect(model.run(x, call(controller.signal))).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(server.seen.filter(({ path }) => path.endsWith('/infer')).length).toBe(1)
  })

  it('leaves no listener on the signal of its caller, and no timer', async () => {
    const clock = fakeClock()
    const { server, model } = await ready({ clock })
    const { signal } = new AbortController()
    for (let run = 0; run < 3; run += 1) await model.run(x, call(signal))
    server.instead = () => ({ status: 500 })
    await model.run(x, call(signal)).catch(() => {})
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(clock.pending).toBe(0)
  })

  it('waits no longer than its limit, also for the rest of an answer', async () => {
    const clock = fakeClock()
    const { server, model } = await ready({ clock, timeoutMs: 5000 })
    const arrived = new Promise<void>((resolve) => (server.instead = () => (resolve(), { hang: true })))
    const run = expect(model.run(x, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_TIMEOUT', message: expect.stringContaining('within 5000 ms') as string })
    await arrived
    await clock.advance(4999)
    await clock.advance(1)
    await run
  })

  it('reads no more than it may', async () => {
    const { server, model } = await ready({ maxResponseBytes: 100_000 })
    server.instead = () => ({ chunks: 1, body: '{"outputs":[]}' })
    await expect(model.run(x, call())).resolves.toEqual({})
    server.instead = () => ({ chunks: 3 })
    await expect(model.run(x, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', retryable: false, message: expect.stringContaining('more than 100000 bytes') as string })
    server.instead = () => ({ body: ' '.repeat(100_001) })
    await expect(model.run(x, call())).rejects.toThrow(/more than 100000 bytes/)
  })

  it('does not load a model that is not ready', async () => {
    const server = await started(openInferenceServer())
    await expect(tensorsOf({ baseUrl: server.url }, { ...sum, version: '4' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', status: 404, message: expect.stringContaining('version 4 is not there') as string })
    server.instead = ({ path }) => (path.endsWith('/ready') ? { status: 503 } : undefined)
    await expect(tensorsOf({ baseUrl: server.url }, sum)).rejects.toMatchObject({ status: 503, retryable: true })
    const closed = await openInferenceServer()
    await closed.close()
    await expect(tensorsOf({ baseUrl: closed.url }, sum)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ENGINE_FAILED', retryable: true, message: expect.stringContaining('ECONNREFUSED') as string })
  })

  it('takes no run after its end', async () => {
    const { model } = await ready()
    void model.dispose()
    await expect(model.run(x, call())).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
  })
})

describe('http sends with every request', () => {
  it('headers from code, asked anew each time, and never in the place of its own', async () => {
    const server = await started(openInferenceServer())
    let token = 0
    const model = await tensorsOf({ baseUrl: server.url, headers: async () => ({ authorization: `Bearer ${(token += 1)}`, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'content-type': 'text/plain' }) }, sum)
    await model.run({ x: float32([1, 2], [1, 2]) }, call())
    await model.run({ x: float32([1, 2], [1, 2]) }, call())
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([1, 2, 3, 4, 5].map((number) => `Bearer ${number}`))
    expect(server.seen.at(-1)?.headers).toMatchObject({ 'content-type': 'application/json', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })
  })

  it('the trace context of its call, unless somebody instruments fetch or code says otherwise', async () => {
    const server = await started(openInferenceServer())
    const traceContext = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }
    const sent = async (options: Partial<HttpEngineOptions>, with_: Partial<TensorCall> = { traceContext }): Promise<unknown> => {
      await (await tensorsOf({ baseUrl: server.url, ...options }, sum)).run({ x: float32([1, 2], [1, 2]) }, { ...call(), ...with_ })
      const { traceparent, tracestate } = server.seen.at(-1)!.headers
      return { traceparent, tracestate }
    }
    expect(await sent({})).toEqual(traceContext)
    expect(await sent({}, {})).toEqual({})
    expect(await sent({ propagate: false })).toEqual({})
    const instrumentation = (): void => {}
    subscribe('undici:request:create', instrumentation)
    try {
      expect(await sent({})).toEqual({})
      expect(await sent({ propagate: true })).toEqual(traceContext)
    } finally {
      unsubscribe('undici:request:create', instrumentation)
    }
    expect(() => http({ baseUrl: server.url, propagate: 'yes' as never })).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })

  it('by a fetch that is passed in', async () => {
    const server = await started(openInferenceServer())
    const asked: unknown[] = []
    const model = await tensorsOf({ baseUrl: server.url, fetch: (input, init) => (asked.push(input), fetch(input, init)), headers: { 'x-team': 'a' } }, sum)
    await model.run({ x: float32([1, 2], [1, 2]) }, call())
    expect(asked.map(String)).toHaveLength(4)
    expect(server.seen.every(({ headers }) => headers['x-team'] === 'a')).toBe(true)
  })

  it('nothing after a caller left while the headers were made', async () => {
    const server = await started(openInferenceServer())
    let made: (headers: Record<string, string>) => void = () => {}
    let slow = false
    const model = await tensorsOf({ baseUrl: server.url, headers: () => (slow ? new Promise((resolve) => (made = resolve)) : {}) }, sum)
    slow = true
    const controller = new AbortController()
    const asked = server.seen.length
    const run = model.run({ x: float32([1, 2], [1, 2]) }, call(controller.signal))
    const left = once(controller.signal, 'abort')
    controller.abort()
    await left
    made({})
    await expect(run).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(server.seen.length).toBe(asked)
  })
})
