/** Where a loader gets versions from, and what it gets. */
import type { ModelManifest } from '../manifest/manifest.js'
import type { ManifestSignature } from '../manifest/signature.js'
import type { Tags } from './change.js'
import type { ModelFiles } from './model-files.js'

/** A published version. */
export interface ModelVersion {
  readonly name: string
  readonly version: number
  /** SHA-256 of the manifest: 64 hexadecimal digits. It stands for every byte of the version. */
  readonly digest: string
  readonly manifest: ModelManifest
  /** The signatures that came with it, not checked yet. @default none */
  readonly signatures?: readonly ManifestSignature[]
  /** Key-values that may change; no digest and no signature stands for them. @default none */
  readonly tags?: Tags
}

/** A version with its files in memory, every hash checked. */
export interface OpenedModel extends ModelVersion {
  readonly files: ModelFiles
}

/** How a call to a source may be ended. */
export interface SourceCallOptions {
  /** Ends what goes over a network; a store on a disk does not look at it. */
  readonly signal?: AbortSignal | undefined
}

/** What a call to `open` may ask for. */
export interface SourceOpenOptions extends SourceCallOptions {
  /**
   * Files of a megabyte and more may lie in a `SharedArrayBuffer`, as whoever asks only passes them on. A hint: a source
   * need not look at it. @default false
   */
  readonly mayShare?: boolean
}

/** Where a loader gets versions from. */
export interface ModelSource {
  /**
   * Finds a version: `name@3`, `name@alias`, `name@latest` (the highest number), `name@2..4` (the highest number from 2
   * to 4; either end may be left out), `name@<digest>`, or a digest alone.
   *
   * @throws `ERR_OUTRIGGER_MODEL_NOT_FOUND`, `ERR_OUTRIGGER_MODEL_CORRUPT` (never falls back to an older version),
   * `ERR_OUTRIGGER_INVALID_OPTION` for a reference that is none of these
   */
  resolve(reference: string, options?: SourceCallOptions): Promise<ModelVersion>
  /**
   * Reads all files of a version, and checks the size and the SHA-256 of each.
   *
   * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if one is missing or differs by a bit; `ERR_OUTRIGGER_MODEL_TOO_LARGE` before
   * anything is read
   */
  open(version: ModelVersion | string, options?: SourceOpenOptions): Promise<OpenedModel>
}
