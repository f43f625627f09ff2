/** A loaded model with the rows of callers around it. */
import type { ModelBatchCall } from '../../core/batch-call.js'
import type { ModelCall } from '../../core/call.js'
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { abortErrorOf } from '../../core/model.js'
import { isRowFailure, RowFailure, type Row } from '../../core/rows.js'
import type { EngineDescription, TensorCall, TensorModel } from './engine.js'
import { engineError } from './engine-error.js'
import { RowPacker, type Pack } from './_row-packer.js'
import { RowReader } from './_row-reader.js'
import { rowSignature, type RowSignature } from './_row-signature.js'
import type { OutputValue, RowModel, RowsOverOptions, TensorRow, TensorRowOptions } from './tensor-rows.js'

/** See {@link rowsOver}. */
export class ModelRows<O, V extends OutputValue> implements RowModel<O> {
  readonly #model: TensorModel
  readonly #signature: RowSignature
  readonly #description: EngineDescription
  readonly #packer: RowPacker
  readonly #readers: readonly RowReader[]
  readonly #output: TensorRowOptions<O, V>['output']
  #disposed = false

  constructor(model: TensorModel, { signature, takesInputs = false, output }: RowsOverOptions<O, V>) {
    this.#model = model
    this.#description = model.describe()
    this.#signature = rowSignature(signature, this.#description)
    const { outputs } = this.#signature
    if (output === undefined && outputs.length !== 1) {
      throw new InvalidOptionError(`Cannot load the model as the engine needs the option \`output\` for several outputs: current value is ${outputs.length} outputs (${outputs.map(({ name }) => name).join(', ')})`)
    }
    this.#packer = new RowPacker(this.#signature, takesInputs)
    this.#readers = outputs.map((spec) => new RowReader(spec))
    this.#output = output
  }

  describe(): EngineDescription {
    const { inputs, outputs, batchSize } = this.#signature
    const { batchable = true } = this.#description
    return { ...this.#description, signature: { inputs, outputs }, batchable: batchable && batchSize !== 1, ...(batchSize === undefined ? {} : { batchSize }) }
  }

  dispose(): void | Promise<void> {
    if (this.#disposed) return undefined
    this.#disposed = true
    return this.#model.dispose()
  }

  observe(listener: Parameters<NonNullable<TensorModel['observe']>>[0]): () => void {
    return this.#model.observe?.(listener) ?? (() => {})
  }

  async predict(row: TensorRow, call: ModelCall): Promise<O> {
    this.#open()
    const outcome = (this.#signature.batchSize ?? 1) === 1 ? (await this.#run({ inputs: this.#packer.one(row), count: 1, indices: [0] }, call))[0] : (await this.#predict([row], call))[0]
    if (isRowFailure(outcome)) throw outcome.error
    return outcome as O
  }

  async predictBatch(rows: readonly TensorRow[], call: ModelBatchCall): Promise<Row<O>[]> {
    this.#open()
    return await this.#predict(rows, call)
  }

  #open(): void {
    if (this.#disposed) throw new OutriggerError('ERR_OUTRIGGER_CLOSED', 'Cannot predict as the model must not be disposed: current value is disposed')
  }

  async #predict(rows: readonly TensorRow[], call: TensorCall): Promise<Row<O>[]> {
    const outcomes = new Array<Row<O>>(rows.length)
    let isFirst = true
    for (const pack of this.#packer.runs(rows, (index, error) => (outcomes[index] = new RowFailure(error)))) {
      const outputs = isFirst || !call.signal.aborted ? await this.#run(pack, call) : allOf(pack, abortErrorOf(call.signal.reason))
      isFirst = false
      pack.indices.forEach((index, at) => (outcomes[index] = outputs[at] as Row<O>))
    }
    return outcomes
  }

  /** One run. A run that fails fails its rows together. */
  async #run(pack: Pack, call: TensorCall): Promise<Row<O>[]> {
    try {
      const outputs = await this.#model.run(pack.inputs, call)
      const columns = this.#readers.map((reader) => reader.read(outputs, pack.count, pack.indices.length))
      if (pack.count > 1) this.#packer.release(pack)
      return pack.indices.map((_, at) => this.#outputOf(columns, at))
    } catch (error) {
      return allOf(pack, engineError('predict', error))
    }
  }

  #outputOf(columns: readonly OutputValue[][][], at: number): Row<O> {
    try {
      const [reader] = this.#readers
      if (this.#output === undefined) return reader?.labelled(columns[0]?.[at] as OutputValue[]) as O
      const values = this.#readers.map((one, output) => one.labelled(columns[output]?.[at] as OutputValue[]) as V[])
      return this.#output(values[0] as V[], Object.fromEntries(this.#readers.map(({ name }, output) => [name, values[output] as V[]])))
    } catch (error) {
      return new RowFailure(error)
    }
  }
}

const allOf = (pack: Pack, error: unknown): RowFailure[] => new Array<RowFailure>(pack.indices.length).fill(new RowFailure(error))
