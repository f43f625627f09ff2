/**
 * Plain data as bytes and back, exactly: -0, NaN, bigint, undefined, holes, Map, Set, Date, typed arrays with their
 * `shape`. Not `node:v8`: its reader may end the process on bytes that were tampered with, it loses a `shape`, and its
 * format belongs to a version of Node.
 */
import { plainKind } from '../core/plain.js'

const tag = { undefined: 0, null: 1, true: 2, false: 3, number: 4, latin1: 5, utf16: 6, bigint: 7, date: 8, object: 9, bare: 10, array: 11, hole: 12, map: 13, set: 14, view: 15, buffer: 16 } as const

/** By their place here; new kinds come at the end. */
const viewNames = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'BigInt64Array', 'BigUint64Array', 'Float32Array', 'Float64Array', 'DataView', 'Buffer', 'Float16Array']

const isLatin1 = (text: string): boolean => {
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 0xff) return false
  return true
}

class Writer {
  #bytes = Buffer.allocUnsafe(256)
  #length = 0

  get written(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #room(count: number): number {
    const at = this.#length
    this.#length = at + count
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length))
      this.#bytes.copy(larger, 0, 0, at)
      this.#bytes = larger
    }
    return at
  }

  byte(value: number): void {
    const at = this.#room(1)
    this.#bytes[at] = value
  }

  count(value: number): void {
    const at = this.#room(4)
    this.#bytes.writeUInt32LE(value, at)
  }

  double(value: number): void {
    const at = this.#room(8)
    this.#bytes.writeDoubleLE(value, at)
  }

  bytes(value: Uint8Array): void {
    this.count(value.byteLength)
    const at = this.#room(value.byteLength)
    this.#bytes.set(value, at)
  }

  text(value: string): void {
    const latin1 = isLatin1(value)
    this.byte(latin1 ? tag.latin1 : tag.utf16)
    this.bytes(Buffer.from(value, latin1 ? 'latin1' : 'utf16le'))
  }

  value(value: unknown): void {
    switch (typeof value) {
      case 'undefined':
        return this.byte(tag.undefined)
      case 'boolean':
        return this.byte(value ? tag.true : tag.false)
      case 'number':
        this.byte(tag.number)
        return this.double(value)
      case 'string':
        return this.text(value)
      case 'bigint':
        this.byte(tag.bigint)
        return this.bytes(Buffer.from(value.toString(), 'latin1'))
      case 'object':
        return value === null ? this.byte(tag.null) : this.#object(value)
      default:
        throw new TypeError(`Cannot store a ${typeof value}`)
    }
  }

  #object(value: object): void {
    if (ArrayBuffer.isView(value)) {
      const kind = viewNames.indexOf(value.constructor.name)
      if (kind < 0) throw new TypeError(`Cannot store an instance of ${value.constructor.name}`)
      this.byte(tag.view)
      this.byte(kind)
      this.value((value as { readonly shape?: unknown }).shape)
      return this.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    }
    switch (plainKind(value)) {
      case 'Object': {
        const entries = Object.entries(value)
        this.byte(Object.getPrototypeOf(value) === null ? tag.bare : tag.object)
        this.count(entries.length)
        for (const [name, item] of entries) {
          this.text(name)
          this.value(item)
        }
        return undefined
      }
      case 'Array': {
        const items = value as readonly unknown[]
        this.byte(tag.array)
        this.count(items.length)
        for (let index = 0; index < items.length; index += 1) {
          if (index in items) this.value(items[index])
          else this.byte(tag.hole)
        }
        return undefined
      }
      case 'Date':
        this.byte(tag.date)
        return this.double((value as Date).getTime())
      case 'Map':
        this.byte(tag.map)
        this.count((value as Map<unknown, unknown>).size)
        for (const [key, item] of value as Map<unknown, unknown>) {
          this.value(key)
          this.value(item)
        }
        return undefined
      case 'Set':
        this.byte(tag.set)
        this.count((value as Set<unknown>).size)
        for (const item of value as Set<unknown>) this.value(item)
        return undefined
      case 'ArrayBuffer':
        this.byte(tag.buffer)
        return this.bytes(new Uint8Array(value as ArrayBuffer))
      default:
        throw new TypeError('Cannot store an instance of a class')
    }
  }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  #byte(): number {
    const value = this.#bytes.readUInt8(this.#at)
    this.#at += 1
    return value
  }

  /** A count of items, each of which takes at least a byte. */
  #count(): number {
    const value = this.#bytes.readUInt32LE(this.#at)
    this.#at += 4
    if (value > this.#bytes.length - this.#at) throw new RangeError('A count is beyond the end')
    return value
  }

  #double(): number {
    const value = this.#bytes.readDoubleLE(this.#at)
    this.#at += 8
    return value
  }

  /** Memory of its own, not a part of the reply's. */
  #copy(): ArrayBuffer {
    const length = this.#count()
    const copy = new Uint8Array(length)
    copy.set(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
    return copy.buffer
  }

  #text(kind: number): string {
    const length = this.#count()
    const text = this.#bytes.toString(kind === tag.latin1 ? 'latin1' : 'utf16le', this.#at, this.#at + length)
    this.#at += length
    return text
  }

  value(kind = this.#byte()): unknown {
    switch (kind) {
      case tag.undefined:
        return undefined
      case tag.null:
        return null
      case tag.true:
        return true
      case tag.false:
        return false
      case tag.number:
        return this.#double()
      case tag.latin1:
      case tag.utf16:
        return this.#text(kind)
      case tag.bigint:
        return BigInt(this.#text(tag.latin1))
      case tag.date:
        return new Date(this.#double())
      case tag.object:
      case tag.bare:
        return this.#object(kind === tag.bare)
      case tag.array:
        return this.#array()
      case tag.map:
        return new Map(Array.from({ length: this.#count() }, () => [this.value(), this.value()]))
      case tag.set:
        return new Set(Array.from({ length: this.#count() }, () => this.value()))
      case tag.view:
        return this.#view()
      case tag.buffer:
        return this.#copy()
      default:
        throw new RangeError(`There is no kind ${kind}`)
    }
  }

  #object(isBare: boolean): object {
    const object = (isBare ? Object.create(null) : {}) as Record<string, unknown>
    for (let left = this.#count(); left > 0; left -= 1) {
      const kind = this.#byte()
      if (kind !== tag.latin1 && kind !== tag.utf16) throw new RangeError('The name of a field is no text')
      const name = this.#text(kind)
      // A field of this name must not become the prototype.
      if (name === '__proto__') Object.defineProperty(object, name, { value: this.value(), writable: true, enumerable: true, configurable: true })
      else object[name] = this.value()
    }
    return object
  }

  #array(): unknown[] {
    const array = new Array<unknown>(this.#count())
    for (let index = 0; index < array.length; index += 1) {
      const kind = this.#byte()
      if (kind !== tag.hole) array[index] = this.value(kind)
    }
    return array
  }

  #view(): ArrayBufferView {
    const name = viewNames[this.#byte()]
    const shape = this.value()
    const buffer = this.#copy()
    const kind = name === 'Buffer' ? undefined : ((globalThis as Record<string, unknown>)[name as string] as (new (buffer: ArrayBuffer) => ArrayBufferView) | undefined)
    if (kind === undefined && name !== 'Buffer') throw new RangeError('There is no such typed array')
    const view = kind === undefined ? Buffer.from(buffer) : new kind(buffer)
    return shape === undefined ? view : Object.assign(view, { shape })
  }
}

/** @throws a `TypeError` for what is no plain data */
export const encodeValue = (value: unknown): Buffer => {
  const writer = new Writer()
  writer.value(value)
  return writer.written
}

/** @throws an `Error` for bytes that are no value */
export const decodeValue = (bytes: Buffer): unknown => {
  const reader = new Reader(bytes)
  const value = reader.value()
  if (!reader.isAtEnd) throw new RangeError('There are bytes after the value')
  return value
}
