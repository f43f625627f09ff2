/** The side of the isolate: makes the engine, loads a model, runs it, and lets it go, as the messages say. */
import { OutriggerError } from '../../core/errors.js'
import { isRowFailure, type Row } from '../../core/rows.js'
import type { TraceContext } from '../../core/call-notes.js'
import type { Call } from '../../core/call.js'
import { systemClock } from '../../core/clock.js'
import type { Stage } from '../../core/stage.js'
import type { Tensor, Tensors } from '../../schema/tensor.js'
import type { Engine, EngineDescription, EngineModel, EngineObject, TensorCall, TensorEngine, TensorModel } from '../engines/engine.js'
import type { ModelVersion } from '../store/model-store.js'
import { encodeError, type EncodedError } from './_error-codec.js'
import { makeEngine } from './_make-engine.js'
import { IncomingFiles } from './_incoming-files.js'
import { ownCopy, packed, unpacked, type Packet } from './_packet.js'
import type { FromIsolate, RunFacts, ToIsolate } from './_protocol.js'
import { askRows, rowCalls, rowStage } from './_row-calls.js'

/** The way back, and the way out. */
export interface HostLink {
  send(message: FromIsolate, transfer: ArrayBuffer[]): void
  /** Ends this worker or process, once what was sent is on its way. */
  exit(): void
}

/** A loaded model: one of tensors, or one of rows. */
type Hosted =
  | { readonly kind: 'tensors'; readonly model: TensorModel; readonly dispose: () => unknown }
  | { readonly kind: 'rows'; readonly stage: Stage<unknown, unknown>; readonly description: EngineDescription; readonly dispose: () => unknown }

/** The call of a run of tensors. Its signal is made when first read. */
class HostCall implements TensorCall {
  readonly isIdempotent: boolean
  readonly traceContext: TraceContext | undefined
  readonly #deadline: number
  #controller: AbortController | undefined
  #aborted = false

  constructor(facts: RunFacts) {
    this.isIdempotent = facts.isIdempotent
    this.traceContext = facts.traceContext
    this.#deadline = facts.remainingMs === Infinity ? Infinity : systemClock.now() + facts.remainingMs
  }

  get signal(): AbortSignal {
    const controller = (this.#controller ??= new AbortController())
    if (this.#aborted) controller.abort()
    return controller.signal
  }

  remainingMs(): number {
    return this.#deadline === Infinity ? Infinity : Math.max(0, this.#deadline - systemClock.now())
  }

  abort(): void {
    this.#aborted = true
    this.#controller?.abort()
  }
}

const isTensorModel = (model: unknown): model is TensorModel =>
  typeof model === 'object' && model !== null && typeof (model as Partial<TensorModel>).run === 'function' && !('predict' in model) && !('predictBatch' in model)

const disposeRows = async (model: EngineModel<unknown, unknown>): Promise<void> => {
  const { dispose, close } = model as EngineObject<unknown, unknown>
  if (typeof dispose === 'function') await dispose.call(model)
  else if (typeof close === 'function') await close.call(model)
}

const hosted = (model: unknown, version: ModelVersion): Hosted => {
  if (isTensorModel(model)) return { kind: 'tensors', model, dispose: () => model.dispose() }
  const rows = model as EngineModel<unknown, unknown>
  const { describe } = rows as { readonly describe?: unknown }
  // A predictor's `describe` is a text for people.
  const described: unknown = typeof describe === 'function' ? describe.call(rows) : undefined
  const description = typeof described === 'object' && described !== null ? described : {}
  return { kind: 'rows', stage: rowStage(rows, version), description, dispose: () => disposeRows(rows) }
}

/**
 * The arrays of outputs that can be given away: whole buffers of their own. What lies in a larger buffer, or where the
 * engine cannot let go of it, is copied.
 */
const givenAway = (tensors: Tensors): { readonly tensors: Tensors; readonly transfer: ArrayBuffer[] } => {
  const transfer = new Set<ArrayBuffer>()
  const given: Record<string, Tensor> = {}
  for (const [name, tensor] of Object.entries(tensors)) {
    const { dtype, shape, data } = tensor
    if (!ArrayBuffer.isView(data)) {
      given[name] = tensor
      continue
    }
    const isWhole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength && !transfer.has(data.buffer)
    const own = isWhole ? data : ownCopy(data as Uint8Array)
    transfer.add(own.buffer as ArrayBuffer)
    given[name] = { dtype, shape: [...shape], data: own } as Tensor
  }
  return { tensors: given, transfer: [...transfer] }
}

const unsendable = (cause: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ENGINE_FAILED', 'Cannot bring the output of the model over as it must be plain data, which structured cloning can carry: current value is not', { cause })

const packedOutputs = (outcomes: readonly Row<unknown>[]): Packet => {
  try {
    return packed(outcomes.map((outcome) => (isRowFailure(outcome) ? undefined : outcome)))
  } catch (cause) {
    throw unsendable(cause)
  }
}

/** Holds at most one model at a time. Messages are handled in their order. */
export class ModelHost {
  readonly #link: HostLink
  #engine: Promise<Engine<unknown, unknown> | TensorEngine> | undefined
  #incoming: IncomingFiles | undefined
  #version: ModelVersion | undefined
  #hosted: Hosted | undefined
  /** Runs that go on, so that they can be told that nobody waits. */
  readonly #running = new Map<number, { abort(): void }>()

  constructor(link: HostLink) {
    this.#link = link
  }

  receive(message: ToIsolate): void {
    switch (message.type) {
      case 'init':
        this.#engine = makeEngine(message.source)
        this.#engine.catch(() => {}) // It is told when a model is to be loaded.
        break
      case 'load': this.#begin(message); break
      case 'piece': this.#piece(message.bytes); break
      case 'run': void this.#run(message); break
      case 'rows': void this.#rows(message); break
      case 'abort': this.#running.get(message.id)?.abort(); break
      case 'unload': void this.#unload(); break
      case 'end': this.#link.exit(); break
      case 'halt': break // Workers answer it before it comes here.
    }
  }

  // ---- loading

  #begin({ version, files }: Extract<ToIsolate, { readonly type: 'load' }>): void {
    this.#version = version
    this.#receiving(() => { this.#incoming = new IncomingFiles(version, files) })
  }

  #piece(bytes: Uint8Array): void {
    // Pieces of a version that was refused are still on their way.
    if (this.#incoming !== undefined) this.#receiving(() => this.#incoming?.push(bytes))
  }

  #receiving(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#incoming = undefined
      this.#link.send({ type: 'load-failed', error: encodeError(error) }, [])
      return
    }
    if (this.#incoming?.complete !== undefined) void this.#load()
  }

  async #load(): Promise<void> {
    const files = this.#incoming?.complete
    const version = this.#version
    this.#incoming = undefined
    if (files === undefined || version === undefined) return
    try {
      const engine = await this.#engine
      if (engine === undefined) throw new Error('A model was to be loaded before the engine was named.')
      const model = hosted(await engine.load(files, version), version)
      this.#hosted = model
      this.#link.send({ type: 'loaded', kind: model.kind, description: model.kind === 'rows' ? model.description : model.model.describe() }, [])
    } catch (error) {
      await this.#dropped()
      this.#link.send({ type: 'load-failed', error: encodeError(error) }, [])
    }
  }

  /** The model was loaded, but not taken: it could not be described. */
  async #dropped(): Promise<void> {
    const model = this.#hosted
    this.#hosted = undefined
    try {
      await model?.dispose()
    } catch {
      // The error that the model is dropped for is the one to tell.
    }
  }

  // ---- running

  async #run({ id, tensors, facts }: Extract<ToIsolate, { readonly type: 'run' }>): Promise<void> {
    const call = new HostCall(facts)
    this.#running.set(id, call)
    try {
      if (this.#hosted?.kind !== 'tensors') throw new Error('A run of tensors came without a model of tensors.')
      const outputs = givenAway(await this.#hosted.model.run(tensors, call))
      this.#answer(id, { type: 'ran', id, tensors: outputs.tensors }, outputs.transfer)
    } catch (error) {
      this.#answer(id, { type: 'failed', id, error: encodeError(error) })
    }
  }

  async #rows(message: Extract<ToIsolate, { readonly type: 'rows' }>): Promise<void> {
    const { id, single } = message
    try {
      if (this.#hosted?.kind !== 'rows') throw new Error('Rows came without a model of rows.')
      const calls = rowCalls(message)
      this.#running.set(id, { abort: () => this.#abortAll(calls) })
      const outcomes = await askRows(this.#hosted.stage, unpacked(message.rows) as unknown[], calls, single)
      const encoded = new Map<unknown, EncodedError>()
      const failures: [number, EncodedError][] = []
      outcomes.forEach((outcome, row) => {
        if (!isRowFailure(outcome)) return
        // Rows that failed together share one failure on the other side too.
        const error = encoded.get(outcome) ?? encodeError(outcome.error)
        encoded.set(outcome, error)
        failures.push([row, error])
      })
      this.#answer(id, { type: 'ran-rows', id, outputs: packedOutputs(outcomes), failures })
    } catch (error) {
      this.#answer(id, { type: 'failed', id, error: encodeError(error) })
    }
  }

  #abortAll(calls: readonly Call[]): void {
    const reason = new OutriggerError('ERR_OUTRIGGER_ABORTED', 'Cannot go on with the prediction as nobody waits for it any more')
    for (const call of calls) call.abort(reason)
  }

  /** Always answers: what cannot be sent becomes an error that says so. */
  #answer(id: number, message: FromIsolate, transfer: ArrayBuffer[] = []): void {
    this.#running.delete(id)
    try {
      this.#link.send(message, transfer)
    } catch (cause) {
      // Some engines keep hold of the buffers of their outputs; those are copied.
      try {
        this.#link.send(message, [])
      } catch {
        this.#link.send({ type: 'failed', id, error: encodeError(unsendable(cause)) }, [])
      }
    }
  }

  // ---- the end

  async #unload(): Promise<void> {
    const model = this.#hosted
    this.#hosted = undefined
    let failure: { readonly error?: EncodedError } = {}
    try {
      await model?.dispose()
    } catch (error) {
      failure = { error: encodeError(error) }
    }
    this.#link.send({ type: 'unloaded', ...failure }, [])
  }
}
