/** The files of a version as they come in, piece by piece; every hash is checked again on this side. */
import type { Hash } from 'node:crypto'
import { OutriggerError } from '../../core/errors.js'
import { startSha256 } from '../manifest/digest.js'
import { ModelFiles } from '../store/model-files.js'
import type { ModelVersion } from '../store/model-store.js'

/** Puts the pieces together. */
export class IncomingFiles {
  readonly #version: ModelVersion
  readonly #expected: readonly { readonly path: string; readonly bytes: number }[]
  readonly #files = new Map<string, Uint8Array>()
  #bytes = new Uint8Array(0)
  #filled = 0
  #hash: Hash = startSha256()

  constructor(version: ModelVersion, expected: readonly { readonly path: string; readonly bytes: number }[]) {
    this.#version = version
    this.#expected = expected
    this.#begin()
  }

  get #name(): string {
    return `${this.#version.name}@${this.#version.version}`
  }

  /** The files, once all of them are there. */
  get complete(): ModelFiles | undefined {
    return this.#files.size === this.#expected.length ? new ModelFiles(this.#name, this.#files) : undefined
  }

  /** @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if a file came out other than the manifest says */
  push(piece: Uint8Array): void {
    // What is hashed is the copy: the piece may lie in memory that is shared with who sends it.
    this.#bytes.set(piece, this.#filled)
    this.#hash.update(this.#bytes.subarray(this.#filled, this.#filled + piece.length))
    this.#filled += piece.length
    if (this.#filled < this.#bytes.length) return
    this.#end()
    this.#begin()
  }

  /** The next file; what is empty has no pieces. */
  #begin(): void {
    for (let next = this.#expected[this.#files.size]; next !== undefined; next = this.#expected[this.#files.size]) {
      this.#bytes = new Uint8Array(next.bytes)
      this.#filled = 0
      this.#hash = startSha256()
      if (next.bytes > 0) return
      this.#end()
    }
  }

  #end(): void {
    const { path } = this.#expected[this.#files.size] as { readonly path: string }
    const digest = this.#hash.digest('hex')
    const promised = this.#version.manifest.files.find((file) => file.path === path)
    if (promised !== undefined && promised.sha256 !== digest) {
      throw new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load ${this.#name} as the SHA-256 of \`${path}\` must be ${promised.sha256}: current value is ${digest}`)
    }
    this.#files.set(path, this.#bytes)
  }
}
