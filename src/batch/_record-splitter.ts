/** Cuts the bytes of a file into records: lines of JSONL, or records of CSV, in which a quoted field may hold line breaks. */

/** One record of a file. */
export interface FileRecord {
  /** Without its line break; `undefined` if it is longer than it may be. Valid until the next `push`. */
  readonly bytes: Uint8Array | undefined
  /** The position in the file after its line break. */
  readonly end: number
}

/** What is cut. */
export interface SplitterOptions {
  /** The position in the file of the first byte. */
  readonly from: number
  /** A longer record is passed over. */
  readonly maxBytes: number
  /** The delimiter of CSV as a byte; without it every line break ends a record. */
  readonly delimiter?: number | undefined
}

const LF = 10
const CR = 13
const SPACE = 32
const TAB = 9
const QUOTE = 34

/** Where a scanner stands in a CSV record. */
type Place = 'start of a field' | 'plain' | 'quoted' | 'after a quote'

/**
 * A scanner over bytes. UTF-8 never has the bytes of a quote, a delimiter or a line break inside of a character, so that
 * it does not matter where the pieces of the file are cut. Blank lines are no records.
 */
export class RecordSplitter {
  readonly #maxBytes: number
  readonly #delimiter: number | undefined
  /** What is held of a record that began in an earlier piece. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  #isTooLong = false
  #place: Place = 'start of a field'
  #position: number

  constructor(options: SplitterOptions) {
    this.#position = options.from
    this.#maxBytes = options.maxBytes
    this.#delimiter = options.delimiter
  }

  /** Whether the file ended, or a record grew too long, within quotes. */
  get isInsideQuotes(): boolean {
    return this.#place === 'quoted'
  }

  /** The records that end in this piece. */
  push(chunk: Uint8Array): FileRecord[] {
    const records: FileRecord[] = []
    let start = 0
    for (let end = this.#endOfRecord(chunk, 0); end !== -1; end = this.#endOfRecord(chunk, start)) {
      this.#cut(records, chunk.subarray(start, end), this.#position + end + 1)
      start = end + 1
    }
    this.#hold(chunk.subarray(start))
    this.#position += chunk.length
    return records
  }

  /** The last record, if no line break ended it. */
  end(): FileRecord[] {
    const records: FileRecord[] = []
    if (this.#heldBytes > 0) this.#cut(records, new Uint8Array(), this.#position)
    return records
  }

  #endOfRecord(chunk: Uint8Array, start: number): number {
    const delimiter = this.#delimiter
    if (delimiter === undefined) return chunk.indexOf(LF, start)
    let place = this.#place
    for (let index = start; index < chunk.length; index += 1) {
      const byte = chunk[index]
      if (place === 'quoted') {
        if (byte === QUOTE) place = 'after a quote'
        continue
      }
      if (byte === LF) {
        this.#place = 'start of a field'
        return index
      }
      if (byte === delimiter) place = 'start of a field'
      // A quote opens a field only at its start; one right after a quote is a quote within quotes.
      else if (byte === QUOTE && place !== 'plain') place = 'quoted'
      else place = 'plain'
    }
    this.#place = place
    return -1
  }

  #hold(rest: Uint8Array): void {
    if (rest.length === 0) return
    this.#heldBytes += rest.length
    if (this.#isTooLong || this.#heldBytes > this.#maxBytes) {
      this.#isTooLong = true
      this.#held = []
    } else this.#held.push(rest.slice())
  }

  #cut(records: FileRecord[], tail: Uint8Array, end: number): void {
    const length = this.#heldBytes + tail.length
    let bytes: Uint8Array | undefined
    if (!this.#isTooLong && length <= this.#maxBytes) {
      bytes = this.#held.length === 0 ? tail : Buffer.concat([...this.#held, tail], length)
      if (bytes[bytes.length - 1] === CR) bytes = bytes.subarray(0, -1)
    }
    this.#held = []
    this.#heldBytes = 0
    this.#isTooLong = false
    if (bytes === undefined || !this.#isBlank(bytes)) records.push({ bytes, end })
  }

  #isBlank(bytes: Uint8Array): boolean {
    if (this.#delimiter !== undefined) return bytes.length === 0
    for (const byte of bytes) if (byte !== SPACE && byte !== TAB && byte !== CR) return false
    return true
  }
}
