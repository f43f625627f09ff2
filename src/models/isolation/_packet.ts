/**
 * A value as a few bytes of structure and its arrays beside them, so that arrays travel as they are: transferred to a
 * worker, or written to a pipe from where they lie.
 *
 * Structured cloning would do for a worker, but it copies the whole buffer under a small view, and inside
 * `node:child_process` it copies every array twice on the event loop.
 */
import { Deserializer, Serializer } from 'node:v8'

/** The structure, and the bytes of the arrays that it refers to, in order. */
export interface Packet {
  readonly meta: Uint8Array
  readonly parts: readonly Uint8Array[]
}

type ViewType = { new (buffer: ArrayBuffer, offset: number, length?: number): ArrayBufferView; readonly BYTES_PER_ELEMENT?: number }
const viewTypes = { Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView } as const satisfies Record<string, ViewType>
const viewNames = Object.keys(viewTypes) as (keyof typeof viewTypes)[]
/** The last one: what Node calls a Buffer stays one. */
const bufferType = viewNames.length

const typeOf = (view: ArrayBufferView): number => {
  if (Buffer.isBuffer(view)) return bufferType
  const type = viewNames.indexOf(Object.prototype.toString.call(view).slice(8, -1) as keyof typeof viewTypes)
  if (type < 0) throw new TypeError(`An array of the type ${Object.prototype.toString.call(view)} cannot be sent.`)
  return type
}

class PacketSerializer extends Serializer {
  readonly parts: Uint8Array[] = []

  // Called by V8 for each typed array.
  _writeHostObject(view: ArrayBufferView): void {
    const type = typeOf(view)
    this.writeUint32(type)
    this.writeUint32(this.parts.length)
    this.parts.push(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
  }
}

class PacketDeserializer extends Deserializer {
  readonly #parts: readonly Uint8Array[]

  constructor(meta: Uint8Array, parts: readonly Uint8Array[]) {
    super(meta)
    this.#parts = parts
  }

  _readHostObject(): ArrayBufferView {
    const type = this.readUint32()
    const part = this.#parts[this.readUint32()]
    if (part === undefined) throw new TypeError('A message refers to an array that did not come with it.')
    if (type === bufferType) return Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    const View: ViewType | undefined = viewTypes[viewNames[type] as keyof typeof viewTypes]
    if (View === undefined) throw new TypeError(`A message holds an array of the unknown type ${type}.`)
    return new View(part.buffer as ArrayBuffer, part.byteOffset, part.byteLength / (View.BYTES_PER_ELEMENT ?? 1))
  }
}

// Without this V8 writes arrays into the structure itself.
interface TreatsViews { _setTreatArrayBufferViewsAsHostObjects(treat: boolean): void }

/** Takes a value apart. The parts are views of its own arrays, not copies. @throws if structured cloning could not carry it */
export const packed = (value: unknown): Packet => {
  const serializer = new PacketSerializer()
  ;(serializer as unknown as TreatsViews)._setTreatArrayBufferViewsAsHostObjects(true)
  serializer.writeHeader()
  serializer.writeValue(value)
  return { meta: serializer.releaseBuffer(), parts: serializer.parts }
}

/** Puts a value together again. Its arrays lie on the parts: each must begin where its type allows. */
export const unpacked = ({ meta, parts }: Packet): unknown => {
  const deserializer = new PacketDeserializer(meta, parts)
  deserializer.readHeader()
  return deserializer.readValue()
}

/**
 * The packet with its arrays copied out of whatever larger buffers they lie in, and what to transfer with it: a worker
 * would be sent all of those buffers.
 */
export const movable = ({ meta, parts }: Packet): { readonly packet: Packet; readonly transfer: ArrayBuffer[] } => {
  const packet = { meta: new Uint8Array(meta), parts: parts.map((part) => new Uint8Array(part)) }
  return { packet, transfer: [packet.meta.buffer, ...packet.parts.map((part) => part.buffer)] }
}

/** The elements in a buffer of their own. (`slice` of a Buffer of Node is a view: moving it would take its whole pool away.) */
export const ownCopy = <T extends ArrayBufferView & { slice(): T }>(view: T): T => (Buffer.isBuffer(view) ? (new Uint8Array(view) as ArrayBufferView as T) : view.slice())
