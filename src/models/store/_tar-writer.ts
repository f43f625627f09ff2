/**
 * Writes a tar archive (POSIX.1-2001, "pax"): plain ustar, with an extended header in front of what does not fit into it (a
 * path of more than 100 bytes or beyond ASCII, a file of 8 GiB or more).
 *
 * Times, owners and modes are always the same, so that the same files give the same bytes.
 */
const blockBytes = 512
const encoder = new TextEncoder()
const largest = 0o77777777777

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')

const header = (path: string, bytes: number, type: '0' | 'x', seconds: number): Uint8Array => {
  const block = new Uint8Array(blockBytes)
  const set = (text: string, offset: number): void => block.set(encoder.encode(text), offset)
  set(path, 0)
  set('0000644\0', 100)
  set('0000000\0', 108)
  set('0000000\0', 116)
  set(octal(bytes, 11), 124)
  set(octal(seconds, 11), 136)
  set('        ', 148) // the checksum counts as spaces while it is computed
  set(`${type}`, 156)
  set('ustar\x0000', 257)
  set('0000000\0', 329)
  set('0000000\0', 337)
  set(`${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `, 148)
  return block
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
const paxRecord = (key: string, value: string): string => {
  const rest = ` ${key}=${value}\n`
  const bytes = encoder.encode(rest).length
  let length = bytes + String(bytes).length
  length = bytes + String(length).length
  return `${length}${rest}`
}

export class TarWriter {
  readonly #append: (chunk: Uint8Array) => Promise<void>
  readonly #seconds: number

  /** @param seconds - the time of all files, since 1970 */
  constructor(append: (chunk: Uint8Array) => Promise<void>, seconds: number) {
    this.#append = append
    this.#seconds = seconds
  }

  /** Adds a file, whose bytes `write` appends. */
  async add(path: string, bytes: number, write: (append: (chunk: Uint8Array) => Promise<void>) => Promise<void>): Promise<void> {
    const fits = encoder.encode(path).length <= 100 && /^[ -~]*$/.test(path)
    const records = (fits ? '' : paxRecord('path', path)) + (bytes <= largest ? '' : paxRecord('size', String(bytes)))
    if (records !== '') {
      const extended = encoder.encode(records)
      await this.#append(header('pax-header', extended.length, 'x', this.#seconds))
      await this.#pad(extended.length, extended)
    }
    // Readers that know no extended headers see this much of it.
    await this.#append(header(fits ? path : path.replace(/[^ -~]/g, '_').slice(-100), Math.min(bytes, largest), '0', this.#seconds))
    await write(this.#append)
    await this.#pad(bytes)
  }

  /** Two empty blocks. */
  async end(): Promise<void> {
    await this.#append(new Uint8Array(2 * blockBytes))
  }

  async #pad(bytes: number, content?: Uint8Array): Promise<void> {
    if (content !== undefined) await this.#append(content)
    const padding = (blockBytes - (bytes % blockBytes)) % blockBytes
    if (padding > 0) await this.#append(new Uint8Array(padding))
  }
}
