/** The MLmodel file of MLflow: which flavors a model has, and its signature in our words. */
import type { ModelSignature, TensorSpec } from '../manifest/manifest.js'
import { readBlockYaml, YamlError, type YamlValue } from './_block-yaml.js'
import { sourceCorrupt } from './_source-errors.js'

/** What we take from an MLmodel file. */
export interface MlModel {
  readonly flavors: readonly string[]
  /** The typed tensors, where all of them are tensors with names. */
  readonly signature?: ModelSignature
}

type Fields = Readonly<Record<string, unknown>>
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The names that NumPy has for texts. */
const dtypeOf = (numpy: string): string => (numpy === 'object' || numpy === 'str' || /^<?U\d*$/.test(numpy) ? 'string' : numpy)

const tensorOf = (value: unknown): TensorSpec | undefined => {
  if (!isFields(value) || value['type'] !== 'tensor' || typeof value['name'] !== 'string' || !isFields(value['tensor-spec'])) return undefined
  const { dtype, shape } = value['tensor-spec']
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size))) return undefined
  return { name: value['name'], dtype: dtypeOf(dtype), shape: (shape as number[]).map((size) => (size < 0 ? null : size)) }
}

/** Tensors in their order; `undefined` for columns, and for tensors without a name, which say nothing about the model's own. */
const tensorsOf = (text: YamlValue): TensorSpec[] | undefined => {
  if (typeof text !== 'string') return undefined
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    return undefined
  }
  const tensors = Array.isArray(list) ? list.map(tensorOf) : []
  const named = tensors.filter((tensor) => tensor !== undefined)
  const isWhole = named.length > 0 && named.length === tensors.length && new Set(named.map(({ name }) => name)).size === named.length
  return isWhole ? named : undefined
}

/** @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if it is no YAML, or has no flavors */
export const readMlModel = (text: string, what: string): MlModel => {
  let document: YamlValue
  try {
    document = readBlockYaml(text)
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    throw sourceCorrupt(`read the MLmodel file of ${what}`, 'it must be YAML as MLflow writes it', error.message)
  }
  const { flavors, signature } = (isFields(document) ? document : {}) as { readonly flavors?: YamlValue; readonly signature?: YamlValue }
  if (!isFields(flavors)) throw sourceCorrupt(`read the MLmodel file of ${what}`, 'it must have `flavors`', 'something else')
  const inputs = isFields(signature) ? tensorsOf(signature['inputs'] as YamlValue) : undefined
  const outputs = isFields(signature) ? tensorsOf(signature['outputs'] as YamlValue) : undefined
  return { flavors: Object.keys(flavors), ...(inputs === undefined || outputs === undefined ? {} : { signature: { inputs, outputs } }) }
}
