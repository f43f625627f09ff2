/**
 * What happened to one version or one alias: a numbered file per change, made exclusively, the highest number counts.
 *
 * So a compare-and-swap needs no lock: who read line n writes n + 1, and of several writers one gets the name. The
 * change and its audit line are one file, so no crash leaves the one without the other. Each line says what holds after
 * it, so that the last one is enough to read, and ends with the hash of the rest.
 */
import { canonicalJson, type JsonObject } from '../manifest/canonical-json.js'
import { sha256Hex } from '../manifest/digest.js'
import { corrupt, tooLarge } from './_faults.js'
import { revisionOf } from './_layout.js'
import { readSmall } from './_read.js'
import type { ModelDepot } from './depot.js'

export const maxLineBytes = 262_144

interface Line { readonly revision: number }

const seal = (line: unknown): string => sha256Hex(canonicalJson(line, 'a change'))

const parse = (bytes: Uint8Array, key: string): JsonObject => {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  try {
    const { sha256, ...line } = JSON.parse(text) as JsonObject
    if (line['formatVersion'] === 1 && sha256 === seal(line) && canonicalJson({ ...line, sha256 } as JsonObject) === text) return line
  } catch { /* refused below, whatever was wrong */ }
  throw corrupt(key, 'it must be what was written', `${bytes.length} bytes of something else`)
}

export class ChangeLog<L extends Line> {
  readonly #depot: ModelDepot
  readonly #folder: string
  readonly #own: Readonly<Partial<L>>

  /** @param own - the fields by which a line of this log is told from one of another that was put here */
  constructor(depot: ModelDepot, folder: string, own: Readonly<Partial<L>>) {
    this.#depot = depot
    this.#folder = folder
    this.#own = own
  }

  key(revision: number): string {
    return `${this.#folder}${revision}.json`
  }

  /** The number of the last line; 0 if there is none. */
  async lastRevision(): Promise<number> {
    let last = 0
    for (const file of await this.#depot.names(this.#folder)) last = Math.max(last, revisionOf(file) ?? 0)
    return last
  }

  async load(revision: number): Promise<L> {
    const key = this.key(revision)
    const bytes = await readSmall(this.#depot, key, maxLineBytes)
    if (bytes === undefined) throw corrupt(key, 'it must be there', 'missing')
    const { formatVersion: _, ...line } = parse(bytes, key)
    for (const [field, expected] of Object.entries({ ...this.#own, revision })) {
      if (line[field] !== expected) throw corrupt(key, `it must be about ${field} ${String(expected)}`, line[field])
    }
    return line as unknown as L
  }

  /** The last line, or `undefined` if nothing has happened yet. Never an earlier one, if the last is damaged. */
  async last(): Promise<L | undefined> {
    const revision = await this.lastRevision()
    return revision === 0 ? undefined : await this.load(revision)
  }

  /** Sees to it that a line that is there survives a power cut: who wrote it may not have come to that yet. */
  async settle(revision: number): Promise<void> {
    await this.#depot.settle?.(this.key(revision))
  }

  /** Writes a line. `false` if somebody else wrote one of this number first. No line survives a power cut without the one before it. */
  async append(line: L): Promise<boolean> {
    const stamped = { ...line, formatVersion: 1 }
    const bytes = new TextEncoder().encode(canonicalJson({ ...stamped, sha256: seal(stamped) }, 'a change'))
    if (bytes.length > maxLineBytes) throw tooLarge(this.key(line.revision), maxLineBytes, bytes.length, 'write')
    if (line.revision > 1) await this.settle(line.revision - 1)
    return await this.#depot.create(this.key(line.revision), bytes)
  }
}
