/**
 * The manifest of a version: every file by its hash, and what a loader needs to know before it trusts the version.
 *
 * A manifest has one spelling (canonical JSON); the SHA-256 of those bytes is the version's digest.
 */
import { OutriggerError } from '../../core/errors.js'
import type { JsonObject, JsonValue } from './canonical-json.js'
import { canonicalJson } from './canonical-json.js'
import { checkManifest } from './manifest-check.js'
import { sha256Hex } from './digest.js'

/** A file of a version. */
export interface ManifestFile {
  /** Relative, with `/` between its parts: `model.json`, `weights/part-1.bin`. */
  readonly path: string
  readonly bytes: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

/** An input or an output tensor of the model. */
export interface TensorSpec {
  readonly name: string
  /** As the engine names it: `float32`, `int32`, `bool`, `string`… */
  readonly dtype: string
  /** One entry per dimension, the batch dimension in front; `null` for a free one. */
  readonly shape: readonly (number | null)[]
  /** Of an input: what stands along the last dimension, so that a row may be a record of them. */
  readonly fields?: readonly TensorField[]
  /** The labels that its integers stand for: 0 is the first. */
  readonly categories?: readonly string[]
}

/** One element of a row's tensor. */
export interface TensorField {
  readonly name: string
  /** The labels that its number stands for: 0 is the first. */
  readonly categories?: readonly string[]
}

/** The tensors that the model takes and gives. */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

/** A prediction that every copy of this version must reproduce. */
export interface GoldenPrediction {
  /** A row, as callers of the whole adapter pass it. */
  readonly input: JsonValue
  /** What comes out for it. */
  readonly output: JsonValue
  /** Numbers `a` and `b` agree if `|a - b| <= tolerance * max(1, |b|)`. */
  readonly tolerance: number
}

/** The manifest of a version, as it stands in the store. */
export interface ModelManifest {
  readonly format: 'outrigger-model'
  readonly formatVersion: 1
  readonly name: string
  /** A positive integer. */
  readonly version: number
  /** The name of the engine that loads it, such as `tfjs`. */
  readonly engine: string
  readonly files: readonly ManifestFile[]
  readonly signature?: ModelSignature
  readonly golden?: readonly GoldenPrediction[]
  /** Where it comes from: the training run, the data, the commit. */
  readonly lineage?: JsonObject
  /** When it was published, ISO 8601 in UTC. */
  readonly created: string
  /** Free for the user. */
  readonly metadata?: JsonObject
}

/** The bytes of a manifest in its one spelling. */
export const serializeManifest = (manifest: ModelManifest): Uint8Array =>
  new TextEncoder().encode(canonicalJson(manifest, 'the manifest'))

/**
 * The digest of a version: SHA-256 of its manifest's bytes, 64 hexadecimal digits.
 *
 * @example
 * ```ts
 * import { manifestDigest, parseManifest, serializeManifest, type ModelManifest } from 'outrigger/models'
 * const manifest: ModelManifest = {
 *   format: 'outrigger-model', formatVersion: 1, name: 'delay', version: 1, engine: 'function',
 *   files: [], created: '2001-02-01T00:00:00.000Z',
 * }
 * assert.deepEqual(parseManifest(serializeManifest(manifest)), manifest)
 * assert.equal(manifestDigest(manifest).length, 64)
 * ```
 */
export const manifestDigest = (manifest: ModelManifest): string => sha256Hex(serializeManifest(manifest))

/**
 * Reads a manifest from its bytes.
 *
 * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if it is no JSON in the one spelling, a field is missing, unknown or of the
 * wrong type, or a path is absolute, leaves its directory, is no file's name on every system, or is that of two files on
 * some.
 */
export const parseManifest = (bytes: Uint8Array, where = 'the manifest'): ModelManifest => {
  const corrupt = (constraint: string, value: unknown, cause?: unknown): OutriggerError =>
    new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot read ${where} as ${constraint}: current value is ${String(value)}`, { where, cause })
  let text: string
  let value: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt('it must be JSON in UTF-8', `${bytes.length} bytes`, error)
  }
  const fault = checkManifest(value)
  if (fault !== undefined) throw corrupt(fault.constraint, fault.value)
  // Another spelling would be another digest for the same content; only a damaged or foreign writer makes one.
  if (!isCanonical(value, text)) throw corrupt('it must be in canonical form', `${bytes.length} bytes`)
  return value as ModelManifest
}

const isCanonical = (value: unknown, text: string): boolean => {
  try {
    return canonicalJson(value) === text
  } catch {
    return false // nested too deep
  }
}
