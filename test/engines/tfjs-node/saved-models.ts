/** The SavedModels of `test/golden/saved-models`, and what TensorFlow for Python answered. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ModelFiles } from '../../../src/models/store/model-files.js'
import type { DType, Tensor, Tensors } from '../../../src/schema/tensor.js'

interface Plain { readonly dtype: DType; readonly shape: readonly number[]; readonly data: readonly (number | string | boolean)[] }
interface Case { readonly inputs: Readonly<Record<string, Plain>>; readonly outputs: Readonly<Record<string, Plain>> }

const folder = fileURLToPath(new URL('../../golden/saved-models/', import.meta.url))
const golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8')) as { readonly tensorflow: string; readonly models: Readonly<Record<string, Readonly<Record<string, Case>>>> }

export const savedModelFiles = (name: string): ModelFiles =>
  new ModelFiles(`${name}@1`, new Map(
    readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(join(folder, name).length + 1), new Uint8Array(readFileSync(path))]),
  ))

const arrays: Partial<Record<DType, (data: Plain['data']) => Tensor['data']>> = {
  float32: (data) => Float32Array.from(data as number[]),
  int32: (data) => Int32Array.from(data as number[]),
  uint8: (data) => Uint8Array.from(data as number[]),
  bool: (data) => Uint8Array.from(data.map(Number)),
  int64: (data) => BigInt64Array.from(data.map((value) => BigInt(value as string))),
  string: (data) => data as string[],
}

const tensorsOf = (plain: Readonly<Record<string, Plain>>): Tensors =>
  Object.fromEntries(Object.entries(plain).map(([name, { dtype, shape, data }]) => [name, { dtype, shape, data: arrays[dtype]?.(data) } as Tensor]))

/** Every model and signature with a golden answer. */
export const savedModelCases: readonly { readonly model: string; readonly signature: string; readonly inputs: Tensors; readonly outputs: Tensors }[] =
  Object.entries(golden.models).flatMap(([model, signatures]) =>
    Object.entries(signatures).map(([signature, { inputs, outputs }]) => ({ model, signature, inputs: tensorsOf(inputs), outputs: tensorsOf(outputs) })))
