/** Everything is read and every hash is checked; what is wrong is said, and nothing is changed. */
import { hasCode, isOutriggerError } from '../../core/errors.js'
import { startSha256 } from '../manifest/digest.js'
import { chunkBytes } from './_chunks.js'
import type { StoreParts } from './_parts.js'
import { corrupt } from './_faults.js'
import { aliasFolder, blobKey, placeOf, type LogPlace } from './_layout.js'
import type { ChangeLog } from './_change-log.js'
import type { LiveLine, VersionLine } from './_versions.js'
import type { AliasChange, ModelChange } from './change.js'
import type { BlobId, DepotEntry } from './depot.js'

/**
 * What may be wrong in a store.
 *
 * - `missing-blob`, `damaged-blob`: a file or the manifest of a version is not there, or not what its hash says
 * - `missing-line`, `damaged-line`: a change of a version or an alias cannot be read any more
 * - `damaged-manifest`: a manifest has the right bytes, but not those of its version
 * - `dangling-alias`: an alias points to a version that is not there or is another one
 * - `unreferenced-blob`, `leftover`: what a collection would remove, or a publish that is under way
 * - `foreign-file`: something that no store has written
 */
export type StoreFaultCode =
  | 'missing-blob' | 'damaged-blob' | 'missing-line' | 'damaged-line' | 'damaged-manifest' | 'dangling-alias'
  | 'unreferenced-blob' | 'leftover' | 'foreign-file'

/** Something wrong in a store. */
export interface StoreFault {
  readonly code: StoreFaultCode
  /** Whether something cannot be used because of it; else it is only in the way. */
  readonly isHarmful: boolean
  /** The file. */
  readonly key: string
  /** What it belongs to, such as `delay@3` or `delay@champion`; `null` if to nothing. */
  readonly of: string | null
  readonly message: string
}

/** What `ModelStore.verify` found. */
export interface VerifyReport {
  /** Whether nothing is harmful. */
  readonly ok: boolean
  readonly faults: readonly StoreFault[]
  /** How many versions were looked at, removed ones not counted. */
  readonly versions: number
  /** How many bytes of files and manifests were read. */
  readonly bytes: number
}

const harmless = new Set<StoreFaultCode>(['unreferenced-blob', 'leftover', 'foreign-file'])

class Verification {
  readonly faults: StoreFault[] = []
  versions = 0
  bytes = 0
  readonly #parts: StoreParts
  /** What is wrong with a blob, by hash and size: each is read once, however many versions share it. */
  readonly #blobs = new Map<string, { readonly code: StoreFaultCode; readonly message: string } | undefined>()
  readonly #needed = new Set<string>()

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  #add(code: StoreFaultCode, key: string, of: string | null, message: string): void {
    this.faults.push({ code, isHarmful: !harmless.has(code), key, of, message })
  }

  async #readBlob(key: string, { sha256, bytes }: BlobId): Promise<{ readonly code: StoreFaultCode; readonly message: string } | undefined> {
    const damaged = (constraint: string, value: unknown): { readonly code: StoreFaultCode; readonly message: string } => ({ code: 'damaged-blob', message: corrupt(key, constraint, value).message })
    try {
      const fault = await this.#parts.depot.read(key, async (reader) => {
        if (reader.bytes !== bytes) return damaged(`it must have ${bytes} bytes`, reader.bytes)
        const hash = startSha256()
        const buffer = new Uint8Array(Math.min(chunkBytes, bytes))
        for (let left = bytes; left > 0;) {
          const count = await reader.read(buffer.subarray(0, Math.min(buffer.length, left)))
          if (count === 0) return damaged(`it must have ${bytes} bytes`, bytes - left)
          hash.update(buffer.subarray(0, count))
          this.bytes += count
          left -= count
        }
        const actual = hash.digest('hex')
        return actual === sha256 ? 'intact' : damaged(`its SHA-256 must be ${sha256}`, actual)
      })
      if (fault === undefined) return { code: 'missing-blob', message: corrupt(key, 'it must be in the store', 'missing').message }
      return fault === 'intact' ? undefined : fault
    } catch (error) {
      if (!isOutriggerError(error)) throw error
      return { code: 'damaged-blob', message: error.message }
    }
  }

  async #checkBlob(blob: BlobId, of: string): Promise<void> {
    const key = blobKey(blob.sha256)
    const id = `${blob.sha256}:${blob.bytes}`
    this.#needed.add(key)
    if (!this.#blobs.has(id)) this.#blobs.set(id, await this.#readBlob(key, blob))
    const fault = this.#blobs.get(id)
    if (fault !== undefined) this.#add(fault.code, key, of, fault.message)
  }

  /** Reads all lines of a log and gives the last one; `undefined` if that cannot be read. */
  async #readLog<L extends ModelChange>(log: ChangeLog<L>, revisions: ReadonlySet<number>, of: string): Promise<L | undefined> {
    const last = Math.max(...revisions)
    let line: L | undefined
    let expected = 1
    for (const revision of [...revisions].sort((a, b) => a - b)) {
      if (revision > expected) this.#add('missing-line', log.key(expected), of, corrupt(log.key(expected), 'it must be there', 'missing').message)
      expected = revision + 1
      try {
        line = await log.load(revision)
      } catch (error) {
        if (!isOutriggerError(error)) throw error
        line = undefined
        this.#add('damaged-line', log.key(revision), of, error.message)
      }
    }
    return line?.revision === last ? line : undefined
  }

  async version(name: string, version: number, revisions: ReadonlySet<number>): Promise<void> {
    const { versions } = this.#parts
    const of = `${name}@${version}`
    const line = await this.#readLog<VersionLine>(versions.log(name, version), revisions, of)
    if (line === undefined || line.kind === 'removed') return
    const before = this.faults.length
    await this.#files(line, of)
    // Removed and collected meanwhile: then nothing of it need be there.
    if (this.faults.length > before && (await versions.log(name, version).last().catch(() => undefined))?.kind === 'removed') this.faults.length = before
    else this.versions += 1
  }

  /** The manifest of a version, and all that it names. */
  async #files(line: LiveLine, of: string): Promise<void> {
    const key = blobKey(line.digest)
    this.#needed.add(key)
    try {
      const { manifest } = await this.#parts.versions.of(line)
      this.bytes += (await this.#parts.depot.read(key, async (reader) => reader.bytes)) ?? 0
      for (const file of manifest.files) await this.#checkBlob(file, of)
    } catch (error) {
      if (!isOutriggerError(error)) throw error
      const there = await this.#parts.depot.read(key, async (reader) => reader.bytes).catch(() => 0)
      if (there === undefined) this.#add('missing-blob', key, of, error.message)
      else this.#add(await this.#readBlob(key, { sha256: line.digest, bytes: there }) === undefined ? 'damaged-manifest' : 'damaged-blob', key, of, error.message)
    }
  }

  async alias(name: string, alias: string, revisions: ReadonlySet<number>): Promise<void> {
    const of = `${name}@${alias}`
    const line = await this.#readLog<AliasChange & { readonly digest: string | null }>(this.#parts.aliases.log(name, alias), revisions, of)
    if (line === undefined || line.to === null) return
    const dangling = (value: string): void => this.#add('dangling-alias', `${aliasFolder(name, alias)}${line.revision}.json`, of, `Cannot follow ${of} as version ${String(line.to)} must be the one that it was set to: current value is ${value}`)
    try {
      const target = await this.#parts.versions.log(name, line.to).last()
      if (target === undefined) dangling('nothing')
      else if (target.kind === 'removed') dangling('removed')
      else if (target.digest !== line.digest) dangling(target.digest)
    } catch (error) {
      if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) throw error // a damaged line is reported with its version
    }
  }

  /** Something that no store has written. It does harm where a folder of the store should be (a link to elsewhere, most likely). */
  foreign(key: string): void {
    const isHarmful = /^(?:blobs|holds|collecting|models(?:\/[^/]+(?:\/(?:versions|aliases)(?:\/[^/]+)?)?)?)$/.test(key)
    this.faults.push({ code: 'foreign-file', isHarmful, key, of: null, message: `Cannot account for ${key} as every file must be of the store: current value is something else` })
  }

  /** What is there beside versions and aliases. */
  async rest(entries: AsyncIterable<DepotEntry>): Promise<void> {
    const now = this.#parts.clock.wall()
    for await (const { key } of entries) {
      const place = placeOf(key)
      if (place === undefined) this.foreign(key)
      else if (place.kind === 'blob' && !this.#needed.has(key)) this.#add('unreferenced-blob', key, null, `Cannot account for ${key} as a version must need it: current value is none`)
      else if (place.kind === 'claim' && place.until < now) this.#add('leftover', key, null, `Cannot account for ${key} as its time must not be over: current value is ${now - place.until} ms ago`)
    }
    for (const { key } of await this.#parts.depot.sweep?.(Infinity, true) ?? []) this.#add('leftover', key, null, `Cannot account for ${key} as a write must have ended: current value is a temporary file`)
  }
}

/** Reads one model, or everything. */
export const verifyStore = async (parts: StoreParts, name: string | undefined): Promise<VerifyReport> => {
  const verification = new Verification(parts)
  const logs = new Map<string, { readonly place: LogPlace; readonly revisions: Set<number> }>()
  try {
    for await (const { key } of parts.depot.list(name === undefined ? 'models/' : `models/${name}/`)) {
      const place = placeOf(key)
      if (place?.kind !== 'version' && place?.kind !== 'alias') {
        if (name !== undefined && place === undefined) verification.foreign(key)
        continue
      }
      const log = logs.get(place.folder) ?? { place, revisions: new Set<number>() }
      logs.set(place.folder, log)
      log.revisions.add(place.revision)
    }
  } catch (error) {
    if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) throw error
    verification.foreign(name === undefined ? 'models' : `models/${name}`) // a link to elsewhere
  }
  for (const { place, revisions } of logs.values()) {
    if (place.kind === 'version') await verification.version(place.name, place.version, revisions)
    else await verification.alias(place.name, place.alias, revisions)
  }
  if (name === undefined) await verification.rest(parts.depot.list(''))
  const { faults, versions, bytes } = verification
  return { ok: !faults.some(({ isHarmful }) => isHarmful), faults, versions, bytes }
}
