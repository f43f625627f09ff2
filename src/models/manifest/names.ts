/** Names of models, aliases and files, and the references that join them: `delay@3`, `delay@champion`, `delay@latest`. */
import { InvalidOptionError } from '../../core/errors.js'
import { isSha256Hex } from './digest.js'

// Letters, digits, `.`, `_` and `-`, starting and ending with a letter or a digit: safe as a directory name everywhere,
// but for the devices of Windows.
const word = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/
const device = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i
const range = /^(\d*)\.\.(\d*)$/

/**
 * Whether a text may name a model: 1 to 128 letters, digits, `.`, `_` or `-`, with a letter or a digit at both ends, and no
 * device of Windows (`con`, `nul`…).
 */
export const isModelName = (name: unknown): name is string => typeof name === 'string' && word.test(name) && !device.test(name)

/** Whether a text may name an alias: as a model's name, but neither `latest` nor a number, a range or a digest. */
export const isAliasName = (alias: unknown): alias is string =>
  isModelName(alias) && alias !== 'latest' && !/^\d+$/.test(alias) && !range.test(alias) && !isSha256Hex(alias)

/** Refuses what cannot name a model. */
export const checkModelName = (action: string, name: unknown): string => {
  if (isModelName(name)) return name
  throw new InvalidOptionError(`Cannot ${action} as \`name\` must be 1 to 128 letters, digits, '.', '_' or '-', with a letter or a digit at both ends, and no device of Windows: current value is ${JSON.stringify(name)}`)
}

/** Refuses what cannot name an alias. */
export const checkAliasName = (action: string, alias: unknown): string => {
  if (isAliasName(alias)) return alias
  throw new InvalidOptionError(`Cannot ${action} as \`alias\` must be a name that is neither "latest" nor a number, a range or a digest: current value is ${JSON.stringify(alias)}`)
}

// Windows has these names in every folder, with any ending.
const devicePart = /^(?:con|prn|aux|nul|(?:com|lpt)[\d¹²³]|conin\$|conout\$) *(?:\.|$)/i
const utf8 = new TextEncoder()

const partFault = (part: string): string | undefined => {
  if (part === '' || part === '.' || part === '..') return 'must not contain empty parts, "." or ".."'
  if (/[. ]$/.test(part)) return 'must not contain a part that ends with a dot or a space, which Windows takes away'
  if (devicePart.test(part)) return 'must not contain the name of a device of Windows'
  return utf8.encode(part).length > 255 ? 'must not contain a part of more than 255 bytes' : undefined
}

/**
 * What is wrong with the path of a file, or `undefined`. Paths are relative, stay inside whatever they are put in, and name
 * the same file on every system.
 */
export const pathFault = (path: unknown): string | undefined => {
  if (typeof path !== 'string' || path === '') return 'must be a string that is not empty'
  if (path.length > 512) return 'must have at most 512 characters'
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\u0000-\u001f\u007f\\:*?"<>|]/.test(path)) return 'must not contain a control character or one of \\ : * ? " < > |'
  if (/\p{Surrogate}/u.test(path)) return 'must be well-formed Unicode'
  if (path.startsWith('/')) return 'must be relative'
  for (const part of path.split('/')) {
    const fault = partFault(part)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** One spelling for all that some file system takes for one name: case is folded, and composed letters are one with decomposed ones. */
const folded = (path: string): string => path.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC')

/**
 * The first path that could not lie beside those before it on every system: the same twice, a twin by case or by Unicode
 * composition, or a file where another path has a folder.
 */
export const pathClash = (paths: readonly string[]): { readonly path: string; readonly other: string } | undefined => {
  const files = new Map<string, string>()
  const folders = new Map<string, string>()
  for (const path of paths) {
    const name = folded(path)
    const other = files.get(name) ?? folders.get(name)
    if (other !== undefined) return { path, other }
    files.set(name, path)
    for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
      const folder = name.slice(0, slash)
      const file = files.get(folder)
      if (file !== undefined) return { path, other: file }
      folders.set(folder, path)
    }
  }
  return undefined
}

/** A reference, taken apart. */
export type ModelReference =
  | { readonly kind: 'version'; readonly name: string; readonly version: number }
  | { readonly kind: 'alias'; readonly name: string; readonly alias: string }
  | { readonly kind: 'latest'; readonly name: string }
  /** The highest number from `from` to `to`. */
  | { readonly kind: 'range'; readonly name: string; readonly from: number; readonly to: number }
  | { readonly kind: 'digest'; readonly digest: string; readonly name: string | undefined }

/**
 * Takes a reference apart: `name@3`, `name@alias`, `name@latest`, `name@2..4`, `name@<digest>`, or a digest alone (64
 * hexadecimal digits, with or without `sha256:` in front).
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if it is none of these
 * @example
 * ```ts
 * import { parseReference } from 'outrigger/models'
 * assert.deepEqual(parseReference('delay@3'), { kind: 'version', name: 'delay', version: 3 })
 * assert.deepEqual(parseReference('delay@champion'), { kind: 'alias', name: 'delay', alias: 'champion' })
 * assert.deepEqual(parseReference('delay@2..4'), { kind: 'range', name: 'delay', from: 2, to: 4 })
 * ```
 */
export const parseReference = (reference: string): ModelReference => {
  const at = reference.indexOf('@')
  const name = at < 0 ? undefined : reference.slice(0, at)
  const target = at < 0 ? reference : reference.slice(at + 1)
  const digest = target.startsWith('sha256:') ? target.slice(7) : target
  if ((name === undefined || isModelName(name)) && isSha256Hex(digest)) return { kind: 'digest', digest, name }
  if (name !== undefined && isModelName(name)) {
    if (target === 'latest') return { kind: 'latest', name }
    if (/^[1-9]\d{0,14}$/.test(target)) return { kind: 'version', name, version: Number(target) }
    const [, from = '', to = ''] = range.exec(target) ?? []
    if (from !== '' || to !== '') return { kind: 'range', name, from: Number(from), to: to === '' ? Infinity : Number(to) }
    if (isAliasName(target)) return { kind: 'alias', name, alias: target }
  }
  throw new InvalidOptionError(`Cannot resolve a model as the reference must be 'name@3', 'name@alias', 'name@latest', 'name@2..4' or a digest: current value is ${JSON.stringify(reference)}`)
}

/** What a loader follows, as text: an alias, `latest` or a version. */
export const checkTarget = (target: unknown): string => {
  if (typeof target === 'string' && target !== '' && !target.includes('@')) return target
  if (typeof target === 'number' && Number.isInteger(target) && target > 0) return String(target)
  throw new InvalidOptionError(`Cannot follow a model as \`follow\` must be an alias, "latest" or a version: current value is ${JSON.stringify(target)}`)
}
