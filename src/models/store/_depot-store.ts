/** The store on a depot. What it promises stands at `ModelStore`; each part of it has a file of its own. */
import type { Clock } from '../../core/clock.js'
import { hasCode, InvalidOptionError, isOutriggerError } from '../../core/errors.js'
import { optionsObject } from '../../core/options.js'
import { manifestDigest } from '../manifest/manifest.js'
import { checkAliasName, checkModelName, isModelName, parseReference } from '../manifest/names.js'
import type { ManifestSignature } from '../manifest/signature.js'
import { checkVersionPolicy, selectVersions, type VersionPolicy } from '../manifest/version-policy.js'
import { Aliases, type ModelAlias } from './_aliases.js'
import { attributionOptions, authorOf, type Author } from './_attribution.js'
import { auditLines } from './_audit.js'
import { Claims } from './_claims.js'
import { Collector, type GcOptions, type GcReport } from './_collect.js'
import { exportVersion } from './_export-version.js'
import { corrupt, notFound } from './_faults.js'
import { holdVersion } from './_hold-version.js'
import { importVersion } from './_import-version.js'
import { inParallel } from './_in-parallel.js'
import { versionFolder } from './_layout.js'
import { checkFileSizes, type ModelLimits } from './limits.js'
import type { StoreParts } from './_parts.js'
import { Publisher } from './_publisher.js'
import { readBlob } from './_read.js'
import { addSignature, changeTags, checkSignature, checkTags } from './_version-changes.js'
import { verifyStore, type VerifyReport } from './_verify.js'
import { Versions } from './_versions.js'
import type { Attribution, AuditLine, Tags } from './change.js'
import type { ModelDepot } from './depot.js'
import { ModelFiles } from './model-files.js'
import type { ModelVersion, OpenedModel, SourceOpenOptions } from './model-source.js'
import type { ChangeAliasOptions, HoldOptions, ListedVersion, ModelHold, ModelStore, PublishOptions, SetAliasOptions } from './model-store.js'

/** What stands for a file until it is read, so that the files keep their order. */
const nothing = new Uint8Array()

const checkVersion = (action: string, version: unknown): number => {
  if (Number.isSafeInteger(version) && (version as number) > 0) return version as number
  throw new InvalidOptionError(`Cannot ${action} as \`version\` must be a positive integer: current value is ${String(version)}`)
}

const checkExpect = <T>(action: string, expect: T): T => {
  if (expect === undefined || expect === null || Number.isInteger(expect)) return expect
  throw new InvalidOptionError(`Cannot ${action} as \`expect\` must be a version or null: current value is ${String(expect)}`)
}

/**
 * Reads what a reference leads to. If that is removed in between, the reference leads elsewhere by now: it is followed again,
 * until it leads to the same as before.
 */
const unlessGone = async <T>(find: () => Promise<readonly [id: number, read: () => Promise<T>] | undefined>, none: () => Error): Promise<T> => {
  for (let before: number | undefined; ;) {
    const found = await find()
    if (found === undefined) throw none()
    const [id, read] = found
    try {
      return await read()
    } catch (error) {
      if (id === before || !hasCode(error, 'ERR_OUTRIGGER_MODEL_NOT_FOUND')) throw error
      before = id
    }
  }
}

export class DepotStore implements ModelStore {
  readonly #parts: StoreParts
  readonly #by: string | null
  readonly #publisher: Publisher
  readonly #collector: Collector

  constructor(depot: ModelDepot, clock: Clock, by: string | null, limits: Required<ModelLimits>) {
    this.#parts = { depot, clock, limits, versions: new Versions(depot, limits.maxManifestBytes), aliases: new Aliases(depot), claims: new Claims(depot, clock) }
    this.#by = by
    this.#publisher = new Publisher(this.#parts)
    this.#collector = new Collector(this.#parts)
  }

  get depot(): ModelDepot {
    return this.#parts.depot
  }

  #author(action: string, options: Attribution, others: readonly string[] = []): Author {
    optionsObject(`the options to ${action}`, options, [...others, ...attributionOptions])
    return authorOf(action, options, this.#by, this.#parts.clock)
  }

  async publish(options: PublishOptions): Promise<ModelVersion> {
    return await this.#publisher.publish(options, authorOf('publish', options, this.#by, this.#parts.clock))
  }

  async resolve(reference: string): Promise<ModelVersion> {
    const { versions, aliases } = this.#parts
    const parsed = parseReference(reference)
    switch (parsed.kind) {
      case 'version': return await versions.read(parsed.name, parsed.version)
      case 'digest': return await versions.byDigest(parsed.digest, parsed.name)
      case 'latest':
      case 'range': {
        const { from, to } = parsed.kind === 'range' ? parsed : { from: 1, to: Infinity }
        return await unlessGone(async () => {
          const [version] = await versions.published(parsed.name, { from, to, most: 1 })
          return version === undefined ? undefined : [version, () => versions.read(parsed.name, version)]
        }, () => notFound(reference, 'a version must be published'))
      }
      case 'alias':
        return await unlessGone(async () => {
          const alias = await aliases.read(parsed.name, parsed.alias)
          return alias === undefined ? undefined : [alias.revision, () => this.#target(reference, alias)]
        }, () => notFound(reference, 'the alias must be set'))
    }
  }

  /** The version that an alias points to. */
  async #target(what: string, { name, version, digest }: { readonly name: string; readonly version: number; readonly digest: string }): Promise<ModelVersion> {
    const found = await this.#parts.versions.read(name, version)
    if (found.digest !== digest) throw corrupt(what, `version ${version} must have the digest ${digest}`, found.digest)
    return found
  }

  async open(version: ModelVersion | string, { mayShare = false }: SourceOpenOptions = {}): Promise<OpenedModel> {
    const { depot, limits, versions } = this.#parts
    const found = typeof version === 'string' ? await this.resolve(version) : version
    const what = `${found.name}@${found.version}`
    if (manifestDigest(found.manifest) !== found.digest) throw corrupt(what, 'its manifest must have its digest', manifestDigest(found.manifest))
    checkFileSizes(found.manifest, limits)
    const files = new Map<string, Uint8Array>(found.manifest.files.map(({ path }) => [path, nothing]))
    try {
      await inParallel(found.manifest.files, async (file) => void files.set(file.path, await readBlob(depot, file, `\`${file.path}\` of ${what}`, mayShare)))
    } catch (error) {
      // It may have been removed since it was found: that says more than a missing file.
      if (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) await versions.read(found.name, found.version)
      throw error
    }
    return { ...found, files: new ModelFiles(what, files) }
  }

  async list(name?: string): Promise<ListedVersion[]> {
    const { depot, versions } = this.#parts
    const names = name === undefined ? (await depot.names('models/')).filter(isModelName).sort() : [checkModelName('list versions', name)]
    const listed: ListedVersion[] = []
    for (const model of names) {
      for (const version of await versions.numbers(model)) {
        try {
          listed.push({ ok: true, ...await versions.read(model, version) })
        } catch (error) {
          if (!isOutriggerError(error)) throw error
          if (error.code !== 'ERR_OUTRIGGER_MODEL_NOT_FOUND') listed.push({ ok: false, name: model, version, error })
        }
      }
    }
    return listed
  }

  async versions(name: string, policy: VersionPolicy = 'all'): Promise<number[]> {
    checkModelName('list versions', name)
    checkVersionPolicy('list versions', policy)
    const { versions } = this.#parts
    if (policy !== 'all' && 'latest' in policy) return await versions.published(name, { most: policy.latest })
    return selectVersions(policy, await versions.published(name))
  }

  async tag(name: string, version: number, tags: Tags<string | null>, options: Attribution = {}): Promise<ModelVersion> {
    const author = this.#author('tag', options)
    checkModelName('tag', name)
    checkVersion('tag', version)
    const changes = checkTags('tag', tags)
    const { versions } = this.#parts
    return await versions.of(await versions.change(name, version, (last) => changeTags(last, changes, author)))
  }

  async addSignature(name: string, version: number, signature: ManifestSignature, options: Attribution = {}): Promise<ModelVersion> {
    const author = this.#author('add a signature', options)
    checkModelName('add a signature', name)
    checkVersion('add a signature', version)
    const checked = checkSignature('add a signature', signature)
    const { versions } = this.#parts
    return await versions.of(await versions.change(name, version, (last) => addSignature(last, checked, author)))
  }

  async removeVersion(name: string, version: number, options: Attribution = {}): Promise<void> {
    const author = this.#author('remove a version', options)
    await this.#collector.remove(checkModelName('remove a version', name), checkVersion('remove a version', version), author)
  }

  async hold(reference: string, options: HoldOptions = {}): Promise<ModelHold> {
    return await holdVersion(this.#parts, () => this.resolve(reference), options, this.#by)
  }

  async setAlias(name: string, alias: string, version: number, options: SetAliasOptions = {}): Promise<ModelAlias> {
    const action = 'move an alias'
    const author = this.#author(action, options, ['expect'])
    checkModelName(action, name)
    checkAliasName(action, alias)
    checkVersion(action, version)
    checkExpect(action, options.expect)
    const { aliases, claims, versions } = this.#parts
    // Held, so that the version is not removed between the look at it and the move.
    return await claims.holding([versionFolder(name, version)], async () => {
      const target = await versions.read(name, version)
      // Who publishes it may not have flushed its name yet: a power cut could keep the alias and take the version, whose
      // number would then go to another one.
      await versions.log(name, version).settle(1)
      return await aliases.set(name, alias, target, author, options.expect)
    })
  }

  async rollback(name: string, alias: string, options: ChangeAliasOptions = {}): Promise<ModelAlias> {
    const action = 'roll back an alias'
    const author = this.#author(action, options, ['expect'])
    checkModelName(action, name)
    checkAliasName(action, alias)
    checkExpect(action, options.expect)
    const { aliases, claims } = this.#parts
    for (;;) {
      const plan = await aliases.planRollback(name, alias, author, options.expect)
      const moved = await claims.holding([versionFolder(name, plan.to)], async () => {
        await this.#target(`${name}@${alias}`, { name, version: plan.to, digest: plan.digest })
        return await aliases.append(plan)
      })
      if (moved !== undefined) return moved
    }
  }

  async removeAlias(name: string, alias: string, options: ChangeAliasOptions = {}): Promise<void> {
    const action = 'remove an alias'
    const author = this.#author(action, options, ['expect'])
    await this.#parts.aliases.remove(checkModelName(action, name), checkAliasName(action, alias), author, checkExpect(action, options.expect))
  }

  async aliases(name: string): Promise<ModelAlias[]> {
    return await this.#parts.aliases.list(checkModelName('list aliases', name))
  }

  audit(name?: string): AsyncIterable<AuditLine> {
    if (name !== undefined) checkModelName('read the audit trail', name)
    return auditLines(this.#parts, name)
  }

  async gc(options: GcOptions = {}): Promise<GcReport> {
    const author = this.#author('collect garbage', options, ['keep', 'graceMs', 'dryRun'])
    return await this.#collector.collect(options, author)
  }

  async verify(name?: string): Promise<VerifyReport> {
    if (name !== undefined) checkModelName('verify', name)
    return await verifyStore(this.#parts, name)
  }

  async export(reference: string, to: string): Promise<ModelVersion> {
    // Held, so that its files are there to the end.
    const hold = await this.hold(reference)
    try {
      await exportVersion(this.#parts, hold.version, to)
      return hold.version
    } finally {
      await hold.release().catch(() => {}) // then it ends by its time
    }
  }

  async import(from: string | AsyncIterable<Uint8Array>, options: Attribution = {}): Promise<ModelVersion> {
    const author = this.#author('import', options)
    return await importVersion(this.#parts, this.#publisher, from, author)
  }
}
