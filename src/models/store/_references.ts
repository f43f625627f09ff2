/** Which blobs the versions of a store need. */
import { hasCode, OutriggerError } from '../../core/errors.js'
import { blobKey, placeOf } from './_layout.js'
import type { StoreParts } from './_parts.js'
import type { RemovedLine } from './_versions.js'

/** What was found of a version's log by its keys. */
export interface VersionAt {
  readonly name: string
  readonly version: number
  /** When its first and its last line were written, by the clock of the medium. */
  readonly firstMs: number
  readonly lastMs: number
  readonly revision: number
}

/** The logs of all versions, by folder. */
export const findVersions = async ({ depot }: Pick<StoreParts, 'depot'>): Promise<Map<string, VersionAt>> => {
  const found = new Map<string, VersionAt>()
  for await (const { key, modifiedMs } of depot.list('models/')) {
    const place = placeOf(key)
    if (place?.kind !== 'version') continue
    const { folder, name, version, revision } = place
    const at = found.get(folder)
    const isLast = revision > (at?.revision ?? 0)
    found.set(folder, {
      name,
      version,
      firstMs: Math.min(at?.firstMs ?? Infinity, modifiedMs),
      lastMs: isLast ? modifiedMs : at?.lastMs ?? modifiedMs,
      revision: Math.max(at?.revision ?? 0, revision),
    })
  }
  return found
}

/** The keys of the blobs that versions need. */
export class References {
  readonly #parts: StoreParts
  readonly #isOld: (modifiedMs: number) => boolean
  readonly #seen = new Set<string>()
  readonly #keys = new Set<string>()

  /** @param isOld - whether the grace is over for something of that time: a removed version keeps its files until then */
  constructor(parts: StoreParts, isOld: (modifiedMs: number) => boolean) {
    this.#parts = parts
    this.#isOld = isOld
  }

  has(key: string): boolean {
    return this.#keys.has(key)
  }

  /**
   * Adds what the versions need that it has not seen yet. What a version needs never grows, so one that was seen is not
   * read again.
   *
   * @param without - folders of versions that are taken as removed, for a rehearsal
   * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if that cannot be read of one of them
   */
  async update(without: ReadonlySet<string> = new Set()): Promise<void> {
    const faults: string[] = []
    const causes: unknown[] = []
    for (const [folder, at] of await findVersions(this.#parts)) {
      if (this.#seen.has(folder)) continue
      try {
        if (!without.has(folder)) await this.#add(at)
        this.#seen.add(folder)
      } catch (error) {
        if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT') && !hasCode(error, 'ERR_OUTRIGGER_MODEL_TOO_LARGE')) throw error
        faults.push(`${at.name}@${at.version}`)
        causes.push(error)
      }
    }
    if (faults.length > 0) throw new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot collect garbage as it must be known what every version needs (remove a version that cannot be restored): current value is ${faults.slice(0, 5).join(', ')}${faults.length > 5 ? ` and ${faults.length - 5} more` : ''} damaged`, { cause: causes[0] })
  }

  async #add({ name, version, lastMs }: VersionAt): Promise<void> {
    const { versions } = this.#parts
    const line = await versions.log(name, version).last()
    if (line === undefined) return
    if (line.kind === 'removed') return await this.#addRemoved(line, lastMs)
    try {
      const { digest, manifest } = await versions.of(line)
      this.#addFiles(digest, manifest.files)
    } catch (error) {
      if (!hasCode(error, 'ERR_OUTRIGGER_MODEL_NOT_FOUND')) throw error
      // It was removed just now, and its manifest collected: by somebody who gives no grace.
    }
  }

  async #addRemoved({ name, version, revision, from }: RemovedLine, lastMs: number): Promise<void> {
    const { versions } = this.#parts
    // It must still be so after a power cut: who removed it may not have flushed that yet.
    await versions.log(name, version).settle(revision)
    if (from === null || this.#isOld(lastMs)) return
    // Who has found it before it was removed may still be opening it. If its manifest is gone, nobody is.
    const manifest = await versions.manifest(from, 'a manifest').catch((error: unknown) => {
      if (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) return undefined
      throw error
    })
    if (manifest !== undefined) this.#addFiles(from, manifest.files)
  }

  #addFiles(digest: string, files: readonly { readonly sha256: string }[]): void {
    this.#keys.add(blobKey(digest))
    for (const { sha256 } of files) this.#keys.add(blobKey(sha256))
  }
}
