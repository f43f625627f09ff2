/** What an answer is found by. */
import { createHash } from 'node:crypto'
import type { ModelIdentity } from '../core/identity.js'
import type { Parts } from './content-key.js'
import { mixBytes, type Halves } from './_word-hash.js'

/** What a key holds apart from the input: the version and the variant that a call is bound to. */
export interface Scope {
  /** Stands for the text within one cache; never used again for another one. */
  readonly id: number
  readonly text: string
  /** The model that serves it. */
  readonly identity: ModelIdentity
}

/**
 * The key of one input for one version of the model.
 *
 * In memory it is found by `lookup` and verified by `equals`, which compares every byte. A store outside of the
 * process finds it by `digest` and `scope`.
 */
export class CacheKey {
  /** A text that is exact by itself; or a hash, of which `equals` says whether it is the one. */
  readonly lookup: string | number
  readonly scope: Scope
  readonly #text: string
  /** A lone tensor is no list of one: most keys are of one, and a list is a tenth of what a hit leaves behind. */
  readonly #parts: Uint8Array | Parts | undefined
  readonly #rule: string
  #digest: string | undefined = undefined

  private constructor(scope: Scope, text: string, parts: Uint8Array | Parts | undefined, lookup: string | number, rule: string) {
    this.scope = scope
    this.#rule = rule
    this.#text = text
    this.#parts = parts
    this.lookup = lookup
  }

  /**
   * The key of a content: its text, and the bytes that were taken out of it. `seed` keeps hashes from being foretold;
   * `rule` says how inputs are made texts: caches by other rules may use the same store, and their texts mean other inputs.
   */
  static of(scope: Scope, text: string, parts: Uint8Array | Parts | undefined, seed: number, rule = ''): CacheKey {
    const isText = parts === undefined || (!(parts instanceof Uint8Array) && parts.length === 0)
    if (isText) return new CacheKey(scope, text, undefined, textLookup(scope, text), rule)
    hash.a = seed
    hash.b = text.length
    if (text.length > longestKind) mixBytes(hash, Buffer.from(text, 'utf16le'))
    else hash.b ^= Math.imul(text.charCodeAt(1), 0x85ebca77)
    if (parts instanceof Uint8Array) mixBytes(hash, parts)
    else for (let index = 0; index < parts.length; index += 1) mixBytes(hash, parts[index] as Uint8Array)
    return new CacheKey(scope, text, parts, ((hash.a ^ scopeMix(scope)) >>> 0) * low + (hash.b >>> 11), rule)
  }

  /** Whether both are of the same input and the same version, byte for byte. */
  equals(other: CacheKey): boolean {
    // Without parts the lookup is the whole key. It is flat, as it was looked up by, which the text need not be.
    if (this.#parts === undefined) return this.lookup === other.lookup
    return this.scope.id === other.scope.id && this.isOfSameInput(other)
  }

  /** Whether both are of the same input, of whatever version. */
  isOfSameInput(other: CacheKey): boolean {
    if (this.#text !== other.#text) return false
    const parts = this.#parts
    const theirs = other.#parts
    if (parts === undefined || theirs === undefined) return parts === theirs
    if (parts instanceof Uint8Array) return theirs instanceof Uint8Array && Buffer.compare(parts, theirs) === 0
    if (theirs instanceof Uint8Array || parts.length !== theirs.length) return false
    for (let index = 0; index < parts.length; index += 1) if (Buffer.compare(parts[index] as Uint8Array, theirs[index] as Uint8Array) !== 0) return false
    return true
  }

  /** The same input for another version. */
  in(scope: Scope): CacheKey {
    const { lookup } = this
    // The half of the hash that holds the scope is told from the other by its place.
    const other = typeof lookup === 'string' ? textLookup(scope, this.#text) : ((Math.floor(lookup / low) ^ scopeMix(this.scope) ^ scopeMix(scope)) >>> 0) * low + (lookup % low)
    return new CacheKey(scope, this.#text, this.#parts, other, this.#rule)
  }

  /** The same with bytes of its own: those of a key that was just made are the caller's, who may change them. */
  kept(): CacheKey {
    const parts = this.#parts
    if (parts === undefined) return this
    return new CacheKey(this.scope, this.#text, parts instanceof Uint8Array ? new Uint8Array(parts) : parts.map((part) => new Uint8Array(part)), this.lookup, this.#rule)
  }

  /** About how many bytes it holds. */
  get bytes(): number {
    let bytes = 150 + 4 * this.#text.length
    for (const part of listOf(this.#parts)) bytes += part.byteLength
    return bytes
  }

  /** SHA-256 of the exact content of the input and of the rule, in base64url; made when first read. */
  get digest(): string {
    if (this.#digest !== undefined) return this.#digest
    // UTF-16, as a text may hold lone surrogates, which UTF-8 would make equal.
    const sha = createHash('sha256').update(Buffer.from(this.#rule + this.#text, 'utf16le'))
    for (const part of listOf(this.#parts)) sha.update(`|${part.byteLength}:`).update(part)
    return (this.#digest = sha.digest('base64url'))
  }
}

/** A lookup by hash has 53 bits: 32 of one half, with the scope in it, above 21 of the other. */
const low = 2 ** 21

const scopeMix = ({ id }: Scope): number => Math.imul(id, 0x9e3779b1)

const textLookup = ({ id }: Scope, text: string): string => `${id}|${text}`

const listOf = (parts: Uint8Array | Parts | undefined): readonly Uint8Array[] => (parts instanceof Uint8Array ? [parts] : (parts ?? []))

/** Texts up to this length are the kind of a lone typed array. */
const longestKind = 'vUint8ClampedArray:'.length

/** Used by one key at a time. */
const hash: Halves = { a: 0, b: 0 }
