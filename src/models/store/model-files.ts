/** The files of one version in memory, each verified against its hash. */
import { isOutriggerError, OutriggerError } from '../../core/errors.js'

/**
 * The verified files of a version, by path. The bytes are the caller's own: nothing changes them afterwards.
 *
 * @example
 * ```ts
 * import { ModelFiles } from 'outrigger/models'
 * const files = new ModelFiles('delay@1', new Map([['coefficients.json', new TextEncoder().encode('[1,2]')]]))
 * assert.deepEqual(files.json('coefficients.json'), [1, 2])
 * assert.deepEqual(files.paths, ['coefficients.json'])
 * ```
 */
export class ModelFiles {
  readonly #owner: string
  readonly #files: ReadonlyMap<string, Uint8Array>

  constructor(owner: string, files: ReadonlyMap<string, Uint8Array>) {
    this.#owner = owner
    this.#files = files
  }

  /** The paths, in the order of the manifest. */
  get paths(): readonly string[] {
    return [...this.#files.keys()]
  }

  has(path: string): boolean {
    return this.#files.has(path)
  }

  /**
   * Where the engine computes elsewhere (`isolated`), those of a megabyte and more may lie in a `SharedArrayBuffer`.
   *
   * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if the version has no such file
   */
  bytes(path: string): Uint8Array {
    const bytes = this.#files.get(path)
    if (bytes !== undefined) return bytes
    throw this.#error(`it must have the file \`${path}\``, this.paths.join(', ') || 'no files')
  }

  /** A file as text in UTF-8. */
  text(path: string): string {
    return new TextDecoder('utf-8').decode(this.bytes(path))
  }

  /** A file as JSON. */
  json(path: string): unknown {
    try {
      return JSON.parse(this.text(path)) as unknown
    } catch (error) {
      if (isOutriggerError(error)) throw error
      throw this.#error(`\`${path}\` must be JSON`, `${this.bytes(path).length} bytes`, error)
    }
  }

  #error(constraint: string, value: string, cause?: unknown): OutriggerError {
    return new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load ${this.#owner} as ${constraint}: current value is ${value}`, { cause })
  }
}
