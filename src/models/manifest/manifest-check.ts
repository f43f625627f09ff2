/** What must hold of a parsed manifest. Pure: the first fault, or nothing. */
import { isSha256Hex } from './digest.js'
import { isModelName, pathClash, pathFault } from './names.js'

/** Something wrong with a manifest: what must hold, and what is there instead. */
export interface ManifestFault { readonly constraint: string; readonly value: string }

type Fault = ManifestFault | undefined
type Fields = Readonly<Record<string, unknown>>

const show = (value: unknown): string => {
  const text = JSON.stringify(value) as string | undefined
  return text === undefined ? String(value) : text.length > 80 ? `${text.slice(0, 80)}…` : text
}
const fault = (constraint: string, value: unknown): ManifestFault => ({ constraint, value: show(value) })
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

const fieldsFault = (value: unknown, where: string, required: readonly string[], optional: readonly string[] = []): Fault => {
  if (!isFields(value)) return fault(`${where} must be an object`, value)
  for (const name of required) if (!Object.hasOwn(value, name)) return fault(`${where} must have \`${name}\``, undefined)
  for (const name of Object.keys(value)) {
    if (!required.includes(name) && !optional.includes(name)) return fault(`${where} has no field \`${name}\` in format version 1`, value[name])
  }
  return undefined
}

const listFault = (value: unknown, where: string, each: (item: Fields, where: string) => Fault, required: readonly string[], optional: readonly string[] = []): Fault => {
  if (!Array.isArray(value)) return fault(`${where} must be an array`, value)
  for (const [index, item] of (value as unknown[]).entries()) {
    const found = fieldsFault(item, `${where}[${index}]`, required, optional) ?? each(item as Fields, `${where}[${index}]`)
    if (found !== undefined) return found
  }
  return undefined
}

const fileFault = (file: Fields, where: string): Fault => {
  const wrong = pathFault(file['path'])
  if (wrong !== undefined) return fault(`${where}.path ${wrong}`, file['path'])
  if (!isCount(file['bytes'])) return fault(`${where}.bytes must be an integer of at least 0`, file['bytes'])
  return isSha256Hex(file['sha256']) ? undefined : fault(`${where}.sha256 must be 64 hexadecimal digits`, file['sha256'])
}

const tensorFault = (tensor: Fields, where: string): Fault => {
  if (typeof tensor['name'] !== 'string') return fault(`${where}.name must be a string`, tensor['name'])
  if (typeof tensor['dtype'] !== 'string') return fault(`${where}.dtype must be a string`, tensor['dtype'])
  const shape = tensor['shape']
  if (!Array.isArray(shape) || !shape.every((size) => size === null || isCount(size))) return fault(`${where}.shape must be an array of sizes or nulls`, shape)
  return categoriesFault(tensor, where) ?? (tensor['fields'] === undefined ? undefined : tensorFieldsFault(tensor, shape as readonly (number | null)[], where))
}

/** Fields stand along the last dimension, behind that of the batch. */
const tensorFieldsFault = (tensor: Fields, shape: readonly (number | null)[], where: string): Fault => {
  const fields = tensor['fields']
  const found = listFault(fields, `${where}.fields`, fieldFault, ['name'], ['categories']) ?? twiceFault(fields as Fields[], 'name', `${where}.fields`)
  if (found !== undefined) return found
  const last = shape.at(-1)
  if (shape.length < 2 || (last !== null && last !== (fields as Fields[]).length)) return fault(`${where}.fields must be as many as the last dimension has`, (fields as Fields[]).length)
  return tensor['categories'] === undefined ? undefined : fault(`${where} must have \`categories\` in its fields, where it has fields`, tensor['categories'])
}

const fieldFault = (field: Fields, where: string): Fault =>
  typeof field['name'] === 'string' && field['name'] !== '' ? categoriesFault(field, where) : fault(`${where}.name must be a string that is not empty`, field['name'])

const categoriesFault = (owner: Fields, where: string): Fault => {
  const { categories } = owner
  if (categories === undefined) return undefined
  if (!Array.isArray(categories) || categories.length === 0 || !categories.every((label) => typeof label === 'string')) return fault(`${where}.categories must be an array of strings, one at least`, categories)
  return new Set(categories).size === categories.length ? undefined : fault(`no label may stand in ${where}.categories twice`, categories.find((label, at) => categories.indexOf(label) !== at))
}

const goldenFault = (golden: Fields, where: string): Fault => {
  const tolerance = golden['tolerance']
  return typeof tolerance === 'number' && tolerance >= 0 ? undefined : fault(`${where}.tolerance must be a number of at least 0`, tolerance)
}

const twiceFault = (items: readonly Fields[], field: string, where: string): Fault => {
  const seen = new Set<unknown>()
  for (const { [field]: value } of items) {
    if (seen.has(value)) return fault(`no ${field} may stand in ${where} twice`, value)
    seen.add(value)
  }
  return undefined
}

const clashFault = (files: readonly Fields[]): Fault => {
  const clash = pathClash(files.map(({ path }) => path as string))
  return clash === undefined ? undefined : fault('no path of `files` may be another one, but for case and Unicode composition, or lie below it', `${clash.path} beside ${clash.other}`)
}

const tensorsFault = (value: unknown, where: string, optional: readonly string[]): Fault =>
  listFault(value, where, tensorFault, ['name', 'dtype', 'shape'], optional) ?? twiceFault(value as Fields[], 'name', where)

/** The first thing that is wrong with a parsed manifest, or `undefined`. */
export const checkManifest = (value: unknown): Fault => {
  if (!isFields(value) || value['format'] !== 'outrigger-model') return fault('`format` must be "outrigger-model"', isFields(value) ? value['format'] : value)
  if (value['formatVersion'] !== 1) return fault('`formatVersion` must be 1 (a newer outrigger may have written it)', value['formatVersion'])
  const { name, version, engine, created, files, signature, golden } = value
  return fieldsFault(value, 'the manifest', ['format', 'formatVersion', 'name', 'version', 'engine', 'files', 'created'], ['signature', 'golden', 'lineage', 'metadata'])
    ?? (isModelName(name) ? undefined : fault('`name` must be a model name', name))
    ?? (Number.isSafeInteger(version) && (version as number) > 0 ? undefined : fault('`version` must be a positive integer', version))
    ?? (typeof engine === 'string' && engine !== '' ? undefined : fault('`engine` must be a string that is not empty', engine))
    ?? (typeof created === 'string' && !Number.isNaN(Date.parse(created)) ? undefined : fault('`created` must be an ISO 8601 time', created))
    ?? listFault(files, 'files', fileFault, ['path', 'bytes', 'sha256'])
    ?? clashFault(files as Fields[])
    ?? (signature === undefined ? undefined : fieldsFault(signature, 'signature', ['inputs', 'outputs'])
      ?? tensorsFault((signature as Fields)['inputs'], 'signature.inputs', ['fields', 'categories'])
      ?? tensorsFault((signature as Fields)['outputs'], 'signature.outputs', ['categories']))
    ?? (golden === undefined ? undefined : listFault(golden, 'golden', goldenFault, ['input', 'output', 'tolerance']))
    ?? optionalFieldsFault(value, 'lineage')
    ?? optionalFieldsFault(value, 'metadata')
}

const optionalFieldsFault = (value: Fields, name: string): Fault =>
  value[name] === undefined || isFields(value[name]) ? undefined : fault(`\`${name}\` must be an object`, value[name])
