/**
 * Reads a tar archive as it comes: ustar, with the extended headers of pax and the long names of GNU tar.
 *
 * It takes files and folders. Links, devices, sparse files and everything else that a model does not consist of are
 * refused, and so is what does not belong to the format: a checksum that is wrong, padding that is not empty, anything
 * after the end.
 */
import type { OutriggerError } from '../../core/errors.js'
import { corrupt } from './_faults.js'

const blockBytes = 512
const maxExtendedBytes = 65_536
/** Tar pads to its blocking factor, which is 10 240 bytes unless somebody asks for more. */
const maxPadding = 1 << 20

/** A file in an archive. It must be read before the next one. */
export interface TarFile {
  readonly path: string
  readonly bytes: number
  /** The next bytes, or `undefined` at its end. */
  next(): Promise<Uint8Array | undefined>
}

const fault = (constraint: string, value: unknown): OutriggerError => corrupt('the archive', constraint, value)

/** Bytes that come in chunks, taken in other pieces. */
class ByteStream {
  readonly #iterator: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array()

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#iterator = chunks[Symbol.asyncIterator]()
  }

  /** At most so many bytes of what comes next; `undefined` at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#iterator.next()
      if (next.done === true) return undefined
      this.#rest = next.value
    }
    const piece = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(piece.length)
    return piece
  }

  async exactly(count: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(count)
    for (let offset = 0; offset < count;) {
      const piece = await this.some(count - offset)
      if (piece === undefined) throw fault('it must be whole', 'cut off')
      bytes.set(piece, offset)
      offset += piece.length
    }
    return bytes
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }
}

const isEmpty = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** A text up to its first NUL, after which there may only be more of them. */
const textOf = (bytes: Uint8Array, what: string): string => {
  const end = bytes.indexOf(0)
  if (end >= 0 && !isEmpty(bytes.subarray(end))) throw fault(`${what} must end with NUL`, 'more text')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(end < 0 ? bytes : bytes.subarray(0, end))
  } catch {
    throw fault(`${what} must be UTF-8`, 'other bytes')
  }
}

/** A number in octal digits, or in GNU's binary form. */
const numberOf = (bytes: Uint8Array, what: string): number => {
  if (bytes[0] === 0x80) {
    const value = bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0)
    if (Number.isSafeInteger(value)) return value
  }
  const digits = /^ *([0-7]+)[\0 ]*$/.exec(new TextDecoder('latin1').decode(bytes))?.[1]
  if (digits === undefined) throw fault(`${what} must be a number`, 'something else')
  return Number.parseInt(digits, 8)
}

interface Header { readonly path: string; readonly bytes: number; readonly type: string }

const parseHeader = (block: Uint8Array): Header => {
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0)
  const expected = numberOf(block.subarray(148, 156), 'a checksum')
  if (sum !== expected) throw fault(`a header must have the checksum ${expected}`, sum)
  const magic = new TextDecoder('latin1').decode(block.subarray(257, 265))
  if (magic !== 'ustar\x0000' && magic !== 'ustar  \0') throw fault('a header must be that of ustar or GNU tar', JSON.stringify(magic))
  const name = textOf(block.subarray(0, 100), 'a name')
  const prefix = magic === 'ustar\x0000' ? textOf(block.subarray(345, 500), 'a prefix') : ''
  return { path: prefix === '' ? name : `${prefix}/${name}`, bytes: numberOf(block.subarray(124, 136), 'a size'), type: String.fromCharCode(block[156] as number) }
}

/** The fields of an extended header: `<length> <key>=<value>\n` each. */
const parsePax = (bytes: Uint8Array): Map<string, string> => {
  const fields = new Map<string, string>()
  for (let offset = 0; offset < bytes.length;) {
    const space = bytes.indexOf(32, offset)
    const digits = new TextDecoder('latin1').decode(bytes.subarray(offset, Math.max(space, offset)))
    const end = offset + (/^[1-9]\d{0,6}$/.test(digits) ? Number(digits) : 0)
    const equals = bytes.indexOf(61, space)
    if (end > bytes.length || equals < space || equals >= end || bytes[end - 1] !== 10) throw fault('an extended header must consist of records', 'something else')
    const key = textOf(bytes.subarray(space + 1, equals), 'a key')
    if (key.startsWith('GNU.sparse.') || key === 'hdrcharset') throw fault('it must hold plain files', key)
    fields.set(key, textOf(bytes.subarray(equals + 1, end - 1), 'a value'))
    offset = end
  }
  return fields
}

const kinds: Readonly<Record<string, string>> = { 1: 'a hard link', 2: 'a symbolic link', 3: 'a device', 4: 'a device', 6: 'a pipe', S: 'a sparse file', g: 'a global header' }

/** The files of an archive, in their order; ends after the end of the archive has been checked. */
export async function* readTar(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile> {
  const stream = new ByteStream(chunks)
  const padding = async (bytes: number): Promise<void> => {
    if (!isEmpty(await stream.exactly((blockBytes - (bytes % blockBytes)) % blockBytes))) throw fault('its padding must be empty', 'something else')
  }
  const extended = async (bytes: number): Promise<Uint8Array> => {
    if (bytes > maxExtendedBytes) throw fault(`an extended header must have at most ${maxExtendedBytes} bytes`, bytes)
    const content = await stream.exactly(bytes)
    await padding(bytes)
    return content
  }
  try {
    let pax = new Map<string, string>()
    let longName: string | undefined
    for (;;) {
      const block = await stream.exactly(blockBytes)
      if (isEmpty(block)) break
      const header = parseHeader(block)
      if (header.type === 'x') {
        pax = parsePax(await extended(header.bytes))
        continue
      }
      if (header.type === 'L') {
        longName = textOf(await extended(header.bytes), 'a long name')
        continue
      }
      const path = (pax.get('path') ?? longName ?? header.path).replace(/^(?:\.\/)+/, '')
      const size = pax.get('size')
      const bytes = size === undefined ? header.bytes : /^\d{1,15}$/.test(size) ? Number(size) : Number.NaN
      if (Number.isNaN(bytes)) throw fault('a size must be a number', JSON.stringify(size))
      pax = new Map()
      longName = undefined
      if (header.type === '5') {
        if (bytes !== 0) throw fault(`the folder ${JSON.stringify(path)} must have no content`, `${bytes} bytes`)
        continue
      }
      if (header.type !== '0' && header.type !== '\0') throw fault('it must hold only files and folders', `${kinds[header.type] ?? `a thing of type ${JSON.stringify(header.type)}`} (${JSON.stringify(path)})`)
      let left = bytes
      const next = async (): Promise<Uint8Array | undefined> => {
        if (left === 0) return undefined
        const piece = await stream.some(left)
        if (piece === undefined) throw fault('it must be whole', 'cut off')
        left -= piece.length
        return piece
      }
      yield { path, bytes, next }
      if (left > 0) throw fault(`${JSON.stringify(path)} must be read to its end`, `${left} bytes left`)
      await padding(bytes)
    }
    if (pax.size > 0 || longName !== undefined) throw fault('a file must follow an extended header', 'the end')
    for (let zeros = 0; ;) {
      const piece = await stream.some(blockBytes)
      if (piece === undefined) {
        if (zeros < blockBytes) throw fault('it must end with two empty blocks', 'one')
        return
      }
      zeros += piece.length
      if (!isEmpty(piece) || zeros > maxPadding) throw fault('nothing must follow its end', 'something')
    }
  } finally {
    await stream.close()
  }
}
