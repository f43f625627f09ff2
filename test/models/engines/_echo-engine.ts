/** An engine of a few lines: its outputs are its inputs, as they came, and it keeps what it was given. */
import { ModelFiles } from '../../../src/models/store/model-files.js'
import type { EngineDescription, TensorEngine } from '../../../src/models/engines/engine.js'
import { tensorEngine, type OutputValue, type RowModel, type TensorRowOptions } from '../../../src/models/engines/tensor-rows.js'
import type { ModelSignature, TensorSpec } from '../../../src/models/manifest/manifest.js'
import type { ModelVersion } from '../../../src/models/store/model-store.js'
import type { Tensors } from '../../../src/schema/tensor.js'

/** A call that nobody aborts. */
export const call = { signal: new AbortController().signal, remainingMs: () => Infinity } as never

export interface Echo extends TensorEngine { readonly runs: Tensors[]; disposed: number }

export const echoEngine = (description: EngineDescription, change: (outputs: Tensors) => Tensors = (outputs) => outputs): Echo => {
  const engine: Echo = {
    name: 'echo',
    runs: [],
    disposed: 0,
    load: async () => ({
      describe: () => description,
      run: async (inputs) => {
        engine.runs.push(inputs)
        return change(inputs)
      },
      dispose: () => void (engine.disposed += 1),
    }),
  }
  return engine
}

export const noFiles = new ModelFiles('m@1', new Map())

/** A version with the signature in its manifest, or without. */
export const versionOf = (signature?: ModelSignature): ModelVersion => ({ manifest: signature === undefined ? {} : { signature } }) as never

export const specOf = (dtype: string, shape: readonly (number | null)[], rest: Partial<TensorSpec> = {}): TensorSpec => ({ name: 'x', dtype, shape, ...rest })

/** The rows of an engine that gives back its inputs. */
export const echo = async <O = OutputValue[]>(inputs: readonly TensorSpec[], options: TensorRowOptions<O, OutputValue> = {}, manifest?: ModelSignature, description: EngineDescription = {}): Promise<{ rows: RowModel<O>; engine: Echo }> => {
  const engine = echoEngine({ signature: { inputs, outputs: inputs }, ...description })
  return { engine, rows: (await tensorEngine<O, OutputValue>(engine, options).load(noFiles, versionOf(manifest))) as RowModel<O> }
}
