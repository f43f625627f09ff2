/** Models behind a model server, by HTTP. */
import { channel } from 'node:diagnostics_channel'
import { systemClock, type Clock } from '../../core/clock.js'
import { InvalidOptionError, isOutriggerError } from '../../core/errors.js'
import { functionOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import type { Tensors } from '../../schema/tensor.js'
import type { ModelSignature } from '../manifest/manifest.js'
import { batchOf } from './_batch-of.js'
import { endpointOf, endpointPolicy } from './_endpoint.js'
import { remoteFetch, type RemoteFetchOptions } from './_remote-fetch.js'
import { malformed, type RemoteModel } from './_remote-protocol.js'
import { Runs } from './_runs.js'
import type { Engine, EngineDescription, TensorCall, TensorEngine, TensorModel } from './engine.js'

import { tensorEngine, type OutputValue, type TensorRow, type TensorRowOptions } from './tensor-rows.js'

/** Options of {@link http}. */
export interface HttpEngineOptions<O = number[], V extends OutputValue = number> extends TensorRowOptions<O, V> {
  /** The server of all versions: `https://models.example/prefix/`. A version then names no URL of its own. */
  readonly baseUrl?: string
  /** The servers that a version may name, each as `https://models.example:8080`. Either this or `baseUrl` must be given. */
  readonly origins?: readonly string[]
  /** The endpoint among the files of a version. @default 'endpoint.json' */
  readonly file?: string
  /** What goes with every request, such as credentials. A function is asked anew each time. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>> | PromiseLike<Readonly<Record<string, string>>>)
  /**
   * Whether requests carry `traceparent` and `tracestate` of a call that has a span (`observed`).
   * @default unless somebody instruments fetch (listens to undici's diagnostics channel): two of them would be none (open-telemetry/opentelemetry-js-contrib#3711)
   */
  readonly propagate?: boolean
  /** The longest time for a request, in milliseconds, whatever the call allows. @default 30_000 */
  readonly timeoutMs?: number
  /** @default 64 MiB */
  readonly maxResponseBytes?: number
  /** @default the global one, which keeps connections alive */
  readonly fetch?: typeof fetch
  /** @default the machine's */
  readonly clock?: Clock
}

const known = ['baseUrl', 'origins', 'file', 'headers', 'propagate', 'timeoutMs', 'maxResponseBytes', 'fetch', 'clock', 'output'] as const

/** Who instruments fetch listens here, and adds headers to each request. */
const requests = channel('undici:request:create')

class RemoteTensors implements TensorModel {
  readonly #base: URL
  readonly #remote: RemoteModel
  readonly #own: ModelSignature | undefined
  readonly #manifest: ModelSignature | undefined
  readonly #options: RemoteFetchOptions
  readonly #runs = new Runs('the remote model')

  constructor(base: URL, remote: RemoteModel, own: ModelSignature | undefined, manifest: ModelSignature | undefined, options: RemoteFetchOptions) {
    this.#base = base
    this.#remote = remote
    this.#own = own
    this.#manifest = manifest
    this.#options = options
  }

  describe(): EngineDescription {
    const signature = this.#own
    return { ...(signature === undefined ? {} : { signature, ...batchOf(signature) }), bytes: 0, device: 'http' }
  }

  run(inputs: Tensors, call: TensorCall): Promise<Tensors> {
    return this.#runs.during(async () => {
      const signature = this.#own ?? this.#manifest
      const answer = await remoteFetch(new URL(this.#remote.path, this.#base), this.#remote.request(inputs, signature), call, this.#options)
      try {
        return this.#remote.outputs(answer, signature)
      } catch (error) {
        throw isOutriggerError(error) ? error : malformed('it must be what the protocol says', (error as Error).message, error)
      }
    })
  }

  dispose(): Promise<void> {
    return this.#runs.end(() => {})
  }
}

/** What a server that answers did not understand, or does not offer. */
const isRefusal = (error: unknown): boolean => {
  const { status } = Object(error) as { readonly status?: unknown }
  return typeof status === 'number' && status >= 400 && status < 500
}

/**
 * The engine of models that another server runs: one that speaks the Open Inference Protocol v2 (Triton, KServe, MLServer,
 * OpenVINO, Seldon) or TensorFlow Serving's `:predict`.
 *
 * A version is a small file, `endpoint.json`, so that a remote model is published, gated by golden predictions, swapped
 * and rolled back like any other:
 * `{ "protocol": "v2", "model": "delay", "version": "3" }` or `{ "protocol": "tensorflow", "model": "delay", "label": "stable" }`.
 * Name the server's version in it: without one, the server may answer with another model tomorrow, under the digest of today.
 *
 * Where the requests go is decided in code, by `baseUrl` or `origins`: with the latter, the file says `"url"` too.
 * Credentials come from code only, and redirects are not followed.
 *
 * A call's signal ends its request. An error has `retryable`, and of an answer `status` and `retryAfter`, which `retry`
 * heeds: what the server refuses (400, 404…) is not asked again, what may pass (429, 5xx, no connection) is.
 * JSON has no NaN: answers may hold `NaN`, `Infinity`, or `null` for NaN; inputs that are not finite go to TensorFlow
 * Serving and as binary tensors, and are refused with `ERR_OUTRIGGER_INVALID_INPUT` otherwise. Texts that are no
 * texts (images) go to TensorFlow Serving as base64, in tensors whose names end in `_bytes`.
 *
 * To isolate such a model in a worker gains nothing.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; while loading, `ERR_OUTRIGGER_MODEL_CORRUPT` if the file is no endpoint,
 * `ERR_OUTRIGGER_MODEL_UNTRUSTED` if it names a server that the code does not allow, `ERR_OUTRIGGER_ENGINE_FAILED` if the
 * model is not ready; of a run, `ERR_OUTRIGGER_ENGINE_FAILED` and `ERR_OUTRIGGER_TIMEOUT`
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { http, memoryDepot, modelLoader, modelStore } from 'outrigger/models'
 * // A model server, such as Triton, that sums the two numbers of a row.
 * const server = createServer(async (request, response) => {
 *   let body = ''
 *   for await (const part of request) body += String(part)
 *   const tensor = (name: string, size: number) => ({ name, datatype: 'FP32', shape: [-1, size] })
 *   const sum = (): object => {
 *     const [{ shape, data }] = JSON.parse(body).inputs
 *     return { name: 'y', datatype: 'FP32', shape: [shape[0], 1], data: Array.from({ length: shape[0] }, (_, row) => data[2 * row] + data[2 * row + 1]) }
 *   }
 *   response.end(JSON.stringify(request.url?.endsWith('/infer') ? { outputs: [sum()] } : { inputs: [tensor('x', 2)], outputs: [tensor('y', 1)] }))
 * })
 * await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
 * const { port } = server.address() as { port: number }
 *
 * const store = modelStore({ depot: memoryDepot() })
 * await store.publish({ name: 'sum', engine: 'http', files: { 'endpoint.json': JSON.stringify({ protocol: 'v2', model: 'sum', version: '1' }) }, golden: [{ input: [1, 2], output: 3 }] })
 * const sum = modelLoader({ store, name: 'sum', engines: [http({ baseUrl: `http://127.0.0.1:${port}`, output: ([total]) => total })] })
 * await sum.whenReady()
 * assert.deepEqual(await sum.batch([[1, 2], [3, 4]]), [3, 7])
 * await sum.close()
 * server.close()
 * server.closeAllConnections()
 * ```
 */
export const http = <O = number[], V extends OutputValue = number>(options: HttpEngineOptions<O, V>): Engine<TensorRow, O> => {
  const owner = 'an HTTP engine'
  optionsObject(owner, options, known)
  const { baseUrl, origins, file = 'endpoint.json', headers = {}, propagate, timeoutMs = 30_000, maxResponseBytes = 64 * 2 ** 20, clock = systemClock, output } = options
  const policy = endpointPolicy(baseUrl, origins)
  stringOption(owner, 'file', file)
  if (propagate !== undefined && typeof propagate !== 'boolean') throw new InvalidOptionError(`Cannot create ${owner} as \`propagate\` must be a boolean: current value is ${String(propagate)}`)
  if (typeof headers !== 'function') optionsObject(`\`headers\` of ${owner}`, headers, Object.keys(Object(headers) as object))
  const remote: RemoteFetchOptions = {
    fetch: functionOption(owner, 'fetch', options.fetch) ?? fetch,
    clock,
    timeoutMs: numberOption(owner, 'timeoutMs', timeoutMs, { min: 1, max: 2 ** 31 - 1 }),
    maxResponseBytes: numberOption(owner, 'maxResponseBytes', maxResponseBytes, { min: 1 }),
    headers: typeof headers === 'function' ? headers : () => headers,
    propagates: () => propagate ?? !requests.hasSubscribers,
  }
  const tensors: TensorEngine = {
    name: 'http',
    load: async (files, version) => {
      const { base, protocol } = endpointOf(files.json(file), file, policy)
      // A version that nobody published, as in tests of engines, has no manifest.
      const { signature } = (version as Partial<typeof version>).manifest ?? {}
      try {
        const model = await protocol.connect((path) => remoteFetch(new URL(path, base), undefined, undefined, remote))
        const own = await model.signature().catch((error: unknown) => {
          if (signature !== undefined && isRefusal(error)) return undefined
          throw error
        })
        return new RemoteTensors(base, model, own, signature, remote)
      } catch (error) {
        throw isOutriggerError(error) ? error : malformed('it must be what the protocol says', (error as Error).message, error)
      }
    },
  }
  return tensorEngine(tensors, output === undefined ? {} : { output })
}
