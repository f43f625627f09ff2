/**
 * Writing protocol buffers, as much of it as ONNX needs (https://protobuf.dev/programming-guides/encoding/).
 *
 * A message is a list of pieces that are joined once, at the end: a weight of 50 MB is copied once, and not once per
 * message around it.
 */

/** The pieces of an encoded message, or of one of its fields. */
export type Pieces = readonly Uint8Array[]

const utf8 = new TextEncoder()

/** Base 128, the lowest seven bits first; what is negative takes ten bytes, as two's complement of 64 bits. */
const varint = (value: number | bigint): Uint8Array => {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

const tag = (field: number, wireType: 0 | 2 | 5): Uint8Array => varint((field << 3) | wireType)

const sizeOf = (pieces: Pieces): number => pieces.reduce((sum, { length }) => sum + length, 0)

/** An integer or an enum. */
export const integer = (field: number, value: number | bigint): Pieces => [tag(field, 0), varint(value)]

/** A float of 32 bits. */
export const float = (field: number, value: number): Pieces => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return [tag(field, 5), bytes]
}

/** Bytes, or a message in a field of another one. */
export const bytes = (field: number, ...pieces: Pieces): Pieces => [tag(field, 2), varint(sizeOf(pieces)), ...pieces]

/** A text. */
export const text = (field: number, value: string): Pieces => bytes(field, utf8.encode(value))

/** A field that repeats: once per value, in order. */
export const each = <T>(values: readonly T[], write: (value: T) => Pieces): Pieces => values.flatMap(write)

/** The whole message. */
export const joined = (pieces: Pieces): Uint8Array => {
  const whole = new Uint8Array(sizeOf(pieces))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
