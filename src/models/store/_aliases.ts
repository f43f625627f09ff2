/**
 * Aliases: every move is a new file `<revision>.json`, made exclusively, and the highest revision counts.
 *
 * So a compare-and-swap needs no lock: who read revision n writes n + 1, and of several movers one gets the name. The
 * older files are the history of the alias.
 */
import { OutriggerError } from '../../core/errors.js'
import { canonicalJson } from '../manifest/canonical-json.js'
import { corrupt } from './_faults.js'
import { readSmall } from './_read.js'
import type { ModelDepot } from './depot.js'
import { sha256Hex } from '../manifest/digest.js'
import { isAliasName } from '../manifest/names.js'

/** Where an alias points. */
export interface ModelAlias {
  /** The model. */
  readonly name: string
  readonly alias: string
  readonly version: number
  readonly digest: string
  /** 1 for the first move, one more for each that follows. */
  readonly revision: number
  /** The version it pointed to before, or `null`. */
  readonly previous: number | null
  /** When it was moved, ISO 8601 in UTC. */
  readonly moved: string
}

const maxBytes = 65_536
const seal = (move: ModelAlias): string => sha256Hex(canonicalJson(move))
const serialize = (move: ModelAlias): Uint8Array => new TextEncoder().encode(canonicalJson({ ...move, sha256: seal(move) }))

const parse = (bytes: Uint8Array, what: string): ModelAlias => {
  const text = new TextDecoder().decode(bytes)
  try {
    const { sha256, ...move } = JSON.parse(text) as ModelAlias & { readonly sha256: string }
    if (sha256 === seal(move) && canonicalJson({ ...move, sha256 }) === text) return move
  } catch { /* refused below, whatever was wrong */ }
  throw corrupt(what, 'it must be what was written', `${bytes.length} bytes of something else`)
}

const lastRevision = (files: readonly string[]): number => {
  let last = 0
  for (const file of files) {
    const revision = /^([1-9]\d{0,14})\.json$/.exec(file)?.[1]
    if (revision !== undefined) last = Math.max(last, Number(revision))
  }
  return last
}

const folder = (name: string, alias = ''): string => `models/${name}/aliases/${alias === '' ? '' : `${alias}/`}`

/** The aliases of the models in a depot. */
export class Aliases {
  readonly #depot: ModelDepot

  constructor(depot: ModelDepot) {
    this.#depot = depot
  }

  async #revision(name: string, alias: string): Promise<number> {
    return lastRevision(await this.#depot.names(folder(name, alias)))
  }

  async #load(name: string, alias: string, revision: number): Promise<ModelAlias> {
    const what = `alias ${name}@${alias}`
    const bytes = await readSmall(this.#depot, `${folder(name, alias)}${revision}.json`, maxBytes)
    if (bytes === undefined) throw corrupt(what, `revision ${revision} must be there`, 'missing')
    const move = parse(bytes, what)
    if (move.name !== name || move.alias !== alias || move.revision !== revision) {
      throw corrupt(what, 'its file must be its own', `${move.name}@${move.alias} revision ${move.revision}`)
    }
    return move
  }

  /** Where the alias points now, or `undefined`. */
  async read(name: string, alias: string): Promise<ModelAlias | undefined> {
    const revision = await this.#revision(name, alias)
    return revision === 0 ? undefined : await this.#load(name, alias, revision)
  }

  /** All aliases of a model, by name. */
  async list(name: string): Promise<ModelAlias[]> {
    const found: ModelAlias[] = []
    for (const alias of (await this.#depot.names(folder(name))).filter(isAliasName).sort()) {
      const move = await this.read(name, alias)
      if (move !== undefined) found.push(move)
    }
    return found
  }

  /** Moves an alias; see `ModelStore.setAlias`. */
  async move(name: string, alias: string, to: { readonly version: number; readonly digest: string }, moved: () => string, expect?: number | null): Promise<ModelAlias> {
    for (;;) {
      const revision = await this.#revision(name, alias)
      // Without `expect` a damaged alias may be set anew: that is its repair.
      const current = revision === 0
        ? undefined
        : await this.#load(name, alias, revision).catch((error: unknown) => { if (expect !== undefined) throw error; return undefined })
      if (expect !== undefined && (current?.version ?? null) !== expect) {
        throw new OutriggerError('ERR_OUTRIGGER_ALIAS_CONFLICT', `Cannot move ${name}@${alias} to version ${to.version} as it must point to ${expect === null ? 'nothing' : `version ${expect}`}: current value is ${current === undefined ? 'nothing' : `version ${current.version}`}`, { expected: expect, actual: current?.version ?? null })
      }
      if (current?.version === to.version && current.digest === to.digest) return current
      const next: ModelAlias = { name, alias, version: to.version, digest: to.digest, revision: revision + 1, previous: current?.version ?? null, moved: moved() }
      if (await this.#depot.create(`${folder(name, alias)}${next.revision}.json`, serialize(next))) return next
      // Somebody else was first: look again.
    }
  }
}
