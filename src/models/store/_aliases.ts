/** The aliases of models: where each points, how it moves, and how it goes back. Each has a log of its own. */
import { hasCode, OutriggerError } from '../../core/errors.js'
import { isAliasName } from '../manifest/names.js'
import type { Author } from './_attribution.js'
import { ChangeLog } from './_change-log.js'
import { notFound } from './_faults.js'
import { aliasesFolder, aliasFolder } from './_layout.js'
import { refuseLookAlike } from './_look-alike.js'
import type { AliasChange } from './change.js'
import type { ModelDepot } from './depot.js'

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
  /** The version that a rollback leads to, or `null` if there is none. */
  readonly rollbackTo: number | null
  /** When it was moved, ISO 8601 in UTC. */
  readonly moved: string
  readonly by: string | null
  readonly reason: string | null
}

interface Target { readonly version: number; readonly digest: string }

/** A line of an alias's log. `back` is the line that a rollback goes back to, with what it pointed to. */
interface AliasLine extends AliasChange {
  readonly digest: string | null
  readonly back: (Target & { readonly revision: number }) | null
}

/** A line that points somewhere. */
type SetLine = AliasLine & { readonly to: number; readonly digest: string }

const isSet = (line: AliasLine | undefined): line is SetLine => line !== undefined && line.to !== null

const publicOf = (line: SetLine): ModelAlias => ({
  name: line.name,
  alias: line.alias,
  version: line.to,
  digest: line.digest,
  revision: line.revision,
  previous: line.from,
  rollbackTo: line.back?.version ?? null,
  moved: line.at,
  by: line.by,
  reason: line.reason,
})

const show = (version: number | null): string => (version === null ? 'nothing' : `version ${version}`)

const conflict = (what: string, expected: number | null, actual: number | null): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ALIAS_CONFLICT', `Cannot ${what} as it must point to ${show(expected)}: current value is ${show(actual)}`, { expected, actual })

const backTo = (current: AliasLine | undefined): AliasLine['back'] =>
  (isSet(current) ? { version: current.to, digest: current.digest, revision: current.revision } : null)

/** The aliases of the models in a depot. */
export class Aliases {
  readonly #depot: ModelDepot

  constructor(depot: ModelDepot) {
    this.#depot = depot
  }

  log(name: string, alias: string): ChangeLog<AliasLine> {
    return new ChangeLog<AliasLine>(this.#depot, aliasFolder(name, alias), { name, alias })
  }

  /** Where the alias points now, or `undefined`. */
  async read(name: string, alias: string): Promise<ModelAlias | undefined> {
    const line = await this.log(name, alias).last()
    return isSet(line) ? publicOf(line) : undefined
  }

  /** The aliases that were ever set, by name. */
  async names(name: string): Promise<string[]> {
    return (await this.#depot.names(aliasesFolder(name))).filter(isAliasName).sort()
  }

  /** All aliases of a model that point somewhere, by name. */
  async list(name: string): Promise<ModelAlias[]> {
    const found: ModelAlias[] = []
    for (const alias of await this.names(name)) {
      const read = await this.read(name, alias)
      if (read !== undefined) found.push(read)
    }
    return found
  }

  /** Points an alias to a version; see `ModelStore.setAlias`. */
  async set(name: string, alias: string, to: Target, author: Author, expect: number | null | undefined): Promise<ModelAlias> {
    await refuseLookAlike(this.#depot, aliasesFolder(name), 'move an alias', alias)
    const line = await this.#change(name, alias, `move ${name}@${alias} to version ${to.version}`, expect, (current, revision) => (
      isSet(current) && current.to === to.version && current.digest === to.digest
        ? current
        : { kind: 'alias-set', name, alias, revision, from: current?.to ?? null, to: to.version, digest: to.digest, back: backTo(current), ...author() }))
    return publicOf(line as SetLine)
  }

  /** Takes an alias away; see `ModelStore.removeAlias`. */
  async remove(name: string, alias: string, author: Author, expect: number | undefined): Promise<void> {
    await this.#change(name, alias, `remove ${name}@${alias}`, expect, (current, revision) => {
      if (revision === 1) throw notFound(`${name}@${alias}`, 'the alias must be set')
      return current?.to === null
        ? current
        : { kind: 'alias-removed', name, alias, revision, from: current?.to ?? null, to: null, digest: null, back: backTo(current), ...author() }
    })
  }

  /**
   * The line that would take an alias back to where it pointed before. Each line knows the one that it leads back to: a
   * move to the line that it left, a rollback to where the line that it went back to leads. So the second rollback in a
   * row goes two back, and a move after a rollback is a move like any other.
   */
  async planRollback(name: string, alias: string, author: Author, expect: number | undefined): Promise<SetLine> {
    const what = `roll back ${name}@${alias}`
    const log = this.log(name, alias)
    const current = await log.last()
    if (current === undefined) throw notFound(`${name}@${alias}`, 'the alias must be set')
    if (expect !== undefined && current.to !== expect) throw conflict(what, expect, current.to)
    const { back } = current
    if (back === null) throw notFound(`what ${name}@${alias} pointed to before`, 'it must have been moved since it was set')
    // What is to be restored stands in the line that is read already. A damaged older one only ends the way back.
    const before = await log.load(back.revision).catch((error: unknown) => {
      if (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) return undefined
      throw error
    })
    return { kind: 'alias-rolled-back', name, alias, revision: current.revision + 1, from: current.to, to: back.version, digest: back.digest, back: before?.back ?? null, ...author() }
  }

  /** Writes a planned line; `undefined` if the alias has changed since. */
  async append(line: SetLine): Promise<ModelAlias | undefined> {
    return await this.log(line.name, line.alias).append(line) ? publicOf(line) : undefined
  }

  /** Appends what `decide` says, which may be the current line: then there is nothing to do. */
  async #change(name: string, alias: string, what: string, expect: number | null | undefined, decide: (current: AliasLine | undefined, revision: number) => AliasLine): Promise<AliasLine> {
    const log = this.log(name, alias)
    for (;;) {
      const revision = await log.lastRevision()
      // Without `expect` a damaged alias may be set anew: that is its repair.
      const current = revision === 0 ? undefined : await log.load(revision).catch((error: unknown) => { if (expect !== undefined) throw error; return undefined })
      if (expect !== undefined && (current?.to ?? null) !== expect) throw conflict(what, expect, current?.to ?? null)
      const next = decide(current, revision + 1)
      if (next === current) await log.settle(revision)
      if (next === current || await log.append(next)) return next
      // Somebody else was first: look again.
    }
  }
}
