/** Versions that were refused for what they are, so that nobody tries them again and again. */
import { InvalidOptionError } from '../../core/errors.js'
import type { RefusalStage } from './refusal.js'

/** A version in quarantine. Plain data: it can be kept as JSON, and given to another loader. */
export interface QuarantinedVersion {
  readonly name: string
  readonly version: number
  readonly digest: string
  readonly stage: RefusalStage
  readonly reason: string
  /** When it was refused, in milliseconds since 1970. */
  readonly at: number
}

/** So many are kept; the oldest are forgotten. */
const most = 100

/** Quarantined versions by digest, bounded. */
export class Quarantine {
  readonly #versions = new Map<string, QuarantinedVersion>()

  /** @throws `ERR_OUTRIGGER_INVALID_OPTION` if what is to be restored is none */
  constructor(owner: string, restored: readonly QuarantinedVersion[] = []) {
    if (!Array.isArray(restored)) throw new InvalidOptionError(`Cannot create ${owner} as \`quarantined\` must be an array: current value is ${typeof restored}`)
    for (const entry of restored as readonly Partial<QuarantinedVersion>[]) {
      const { name, version, digest, stage, reason, at } = entry ?? {}
      if (typeof name !== 'string' || typeof version !== 'number' || typeof digest !== 'string' || typeof stage !== 'string' || typeof reason !== 'string' || typeof at !== 'number') {
        throw new InvalidOptionError(`Cannot create ${owner} as each of \`quarantined\` must be what a loader's \`quarantined\` gave: current value is ${JSON.stringify(entry)}`)
      }
      this.add({ name, version, digest, stage, reason, at })
    }
  }

  get all(): readonly QuarantinedVersion[] {
    return [...this.#versions.values()]
  }

  get(digest: string): QuarantinedVersion | undefined {
    return this.#versions.get(digest)
  }

  add(version: QuarantinedVersion): void {
    this.#versions.delete(version.digest)
    this.#versions.set(version.digest, Object.freeze(version))
    for (const oldest of this.#versions.keys()) if (this.#versions.size > most) this.#versions.delete(oldest)
  }

  /** Says whether it was there. */
  release(digest: string): boolean {
    return this.#versions.delete(digest)
  }
}
