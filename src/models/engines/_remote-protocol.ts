/** What a protocol of model servers has to say: where to post what, and how to read what comes back. */
import { OutriggerError } from '../../core/errors.js'
import type { Tensors } from '../../schema/tensor.js'
import type { ModelSignature } from '../manifest/manifest.js'

/** What is posted. */
export interface RemoteRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

/** What came back, with a status of success. */
export interface RemoteAnswer {
  readonly headers: Headers
  readonly bytes: Uint8Array
}

/** GETs a path below the base URL. @throws `ERR_OUTRIGGER_ENGINE_FAILED` with `status` if the server says no */
export type RemoteGet = (path: string) => Promise<RemoteAnswer>

/** A model that is ready. */
export interface RemoteModel {
  /** What the server says of it, if it does. */
  readonly signature: () => Promise<ModelSignature | undefined>
  /** Where runs are posted, below the base URL. */
  readonly path: string
  request(inputs: Tensors, signature: ModelSignature | undefined): RemoteRequest
  outputs(answer: RemoteAnswer, signature: ModelSignature | undefined): Tensors
}

export interface RemoteProtocol {
  /** Rejects if the model is not ready. */
  connect(get: RemoteGet): Promise<RemoteModel>
}

/** An answer that is not what the protocol says. */
export const malformed = (constraint: string, value: unknown, cause?: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', `Cannot use the answer of the server as ${constraint}: current value is ${String(value)}`, { cause, retryable: false })
