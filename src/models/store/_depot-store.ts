/** The store on a depot: how a version gets in, is found, and is read. What it promises stands at `ModelStore`. */
import type { Clock } from '../../core/clock.js'
import { hasCode, InvalidOptionError, isOutriggerError, OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject } from '../../core/options.js'
import { Aliases, type ModelAlias } from './_aliases.js'
import { chunksOf, chunksOfFile, identify } from './_chunks.js'
import { corrupt, notFound } from './_faults.js'
import { draftManifest } from './_publish.js'
import { blobKey, readBlob, readSmall } from './_read.js'
import type { BlobId, ModelDepot } from './depot.js'
import { sha256Hex } from '../manifest/digest.js'
import { manifestDigest, parseManifest, serializeManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import { ModelFiles } from './model-files.js'
import type { FileContent, ListedVersion, ModelStore, ModelVersion, OpenedModel, PublishOptions, SetAliasOptions } from './model-store.js'
import { checkAliasName, checkModelName, isModelName, parseReference } from '../manifest/names.js'

const maxManifestBytes = 16 * 1024 * 1024

/** The bytes of a file to publish, in pieces, from the beginning. */
const contentChunks = (content: FileContent): AsyncIterable<Uint8Array> => {
  if (typeof content === 'string') return chunksOf(new TextEncoder().encode(content))
  return content instanceof Uint8Array ? chunksOf(content) : chunksOfFile(content.from)
}

export class DepotStore implements ModelStore {
  readonly #depot: ModelDepot
  readonly #aliases: Aliases
  readonly #clock: Clock

  constructor(depot: ModelDepot, clock: Clock) {
    this.#depot = depot
    this.#aliases = new Aliases(depot)
    this.#clock = clock
  }

  get depot(): ModelDepot {
    return this.#depot
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString()
  }

  async publish(options: PublishOptions): Promise<ModelVersion> {
    const draft = draftManifest(options, this.#now())
    const exists = (version: number): OutriggerError =>
      new OutriggerError('ERR_OUTRIGGER_MODEL_EXISTS', `Cannot publish ${options.name}@${version} as a version is published once: current value is a published version`, { model: options.name, version })
    if (options.version !== undefined && await this.#manifestBytes(options.name, options.version) !== undefined) throw exists(options.version)

    const files: ManifestFile[] = []
    for (const [path, content] of Object.entries(options.files)) files.push({ path, ...await this.#writeContent(path, content) })
    for (let version = options.version ?? await this.#nextVersion(options.name); ; version += 1) {
      const published = await this.#commit({ ...draft, version, files })
      if (published !== undefined) return published
      if (options.version !== undefined) throw exists(version)
    }
  }

  /** Stores a file under its hash. It is read twice: the name must be known before it can be written. */
  async #writeContent(path: string, content: FileContent): Promise<BlobId> {
    const { sha256, bytes } = await identify(contentChunks(content))
    await this.#depot.writeBlob(blobKey(sha256), { sha256, bytes }, contentChunks(content))
      .catch((error: unknown) => {
        if (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) throw corrupt(`\`${path}\``, 'it must not change while it is published', 'other bytes', error)
        throw error
      })
    return { sha256, bytes }
  }

  /** The publish itself: the manifest gets its name. `undefined` if the number is taken. */
  async #commit(manifest: ModelManifest): Promise<ModelVersion | undefined> {
    const { name, version } = manifest
    const bytes = serializeManifest(manifest)
    const digest = sha256Hex(bytes)
    await this.#depot.writeBlob(blobKey(digest), { sha256: digest, bytes: bytes.length }, chunksOf(bytes))
    if (!await this.#depot.create(`models/${name}/versions/${version}/manifest.json`, bytes)) return undefined
    return { name, version, digest, manifest: parseManifest(bytes) }
  }

  async #versions(name: string): Promise<number[]> {
    const names = await this.#depot.names(`models/${name}/versions/`)
    return names.filter((text) => /^[1-9]\d{0,14}$/.test(text)).map(Number).sort((a, b) => a - b)
  }

  async #latest(name: string): Promise<number | undefined> {
    for (const version of (await this.#versions(name)).reverse()) {
      // A directory without a manifest is a publish that did not end.
      if ((await this.#depot.names(`models/${name}/versions/${version}/`)).includes('manifest.json')) return version
    }
    return undefined
  }

  async #nextVersion(name: string): Promise<number> {
    return (await this.#latest(name) ?? 0) + 1
  }

  async #manifestBytes(name: string, version: number): Promise<Uint8Array | undefined> {
    return await readSmall(this.#depot, `models/${name}/versions/${version}/manifest.json`, maxManifestBytes)
  }

  async #read(name: string, version: number): Promise<ModelVersion> {
    const what = `${name}@${version}`
    const bytes = await this.#manifestBytes(name, version)
    if (bytes === undefined) throw notFound(what, 'it must be published')
    const digest = sha256Hex(bytes)
    // The manifest's own blob is named by the hash it was published with, so a changed manifest finds none.
    await readBlob(this.#depot, { sha256: digest, bytes: bytes.length }, `the manifest of ${what}`)
    const manifest = parseManifest(bytes, `the manifest of ${what}`)
    if (manifest.name !== name || manifest.version !== version) {
      throw corrupt(what, 'its manifest must be its own', `that of ${manifest.name}@${manifest.version}`)
    }
    return { name, version, digest, manifest }
  }

  async #byDigest(digest: string, name: string | undefined): Promise<ModelVersion> {
    const bytes = await readSmall(this.#depot, blobKey(digest), maxManifestBytes)
    if (bytes === undefined) throw notFound(digest, 'a version with this digest must be published')
    if (sha256Hex(bytes) !== digest) throw corrupt(`the manifest ${digest}`, 'its SHA-256 must be its name', sha256Hex(bytes))
    let manifest: ModelManifest
    try {
      manifest = parseManifest(bytes)
    } catch {
      throw notFound(digest, 'it must be the digest of a version, not of a file')
    }
    const found = await this.#read(manifest.name, manifest.version)
    if (found.digest !== digest || (name !== undefined && name !== found.name)) throw notFound(digest, 'a version with this digest must be published')
    return found
  }

  async resolve(reference: string): Promise<ModelVersion> {
    const parsed = parseReference(reference)
    switch (parsed.kind) {
      case 'version': return await this.#read(parsed.name, parsed.version)
      case 'digest': return await this.#byDigest(parsed.digest, parsed.name)
      case 'latest': {
        const version = await this.#latest(parsed.name)
        if (version === undefined) throw notFound(reference, 'a version must be published')
        return await this.#read(parsed.name, version)
      }
      case 'alias': {
        const alias = await this.#aliases.read(parsed.name, parsed.alias)
        if (alias === undefined) throw notFound(reference, 'the alias must be set')
        const found = await this.#read(parsed.name, alias.version)
        if (found.digest !== alias.digest) throw corrupt(reference, `version ${alias.version} must have the digest ${alias.digest}`, found.digest)
        return found
      }
    }
  }

  async open(version: ModelVersion | string): Promise<OpenedModel> {
    const found = typeof version === 'string' ? await this.resolve(version) : version
    const what = `${found.name}@${found.version}`
    if (manifestDigest(found.manifest) !== found.digest) throw corrupt(what, 'its manifest must have its digest', manifestDigest(found.manifest))
    const files = new Map<string, Uint8Array>()
    for (const file of found.manifest.files) files.set(file.path, await readBlob(this.#depot, file, `\`${file.path}\` of ${what}`))
    return { name: found.name, version: found.version, digest: found.digest, manifest: found.manifest, files: new ModelFiles(what, files) }
  }

  async list(name?: string): Promise<ListedVersion[]> {
    const names = name === undefined ? (await this.#depot.names('models/')).filter(isModelName).sort() : [checkModelName('list versions', name)]
    const listed: ListedVersion[] = []
    for (const model of names) {
      for (const version of await this.#versions(model)) {
        try {
          listed.push({ ok: true, ...await this.#read(model, version) })
        } catch (error) {
          if (!isOutriggerError(error)) throw error
          if (error.code !== 'ERR_OUTRIGGER_MODEL_NOT_FOUND') listed.push({ ok: false, name: model, version, error })
        }
      }
    }
    return listed
  }

  async setAlias(name: string, alias: string, version: number, options: SetAliasOptions = {}): Promise<ModelAlias> {
    const action = 'move an alias'
    checkModelName(action, name)
    checkAliasName(action, alias)
    numberOption('an alias', 'version', version, { min: 1, integer: true })
    optionsObject('an alias', options, ['expect'])
    if (options.expect !== undefined && options.expect !== null && !Number.isInteger(options.expect)) {
      throw new InvalidOptionError(`Cannot ${action} as \`expect\` must be a version or null: current value is ${String(options.expect)}`)
    }
    const target = await this.#read(name, version)
    // Who publishes it may not have flushed its name yet: a power cut could keep the alias and take the version, whose
    // number would then go to another one.
    await this.#depot.settle?.(`models/${name}/versions/${version}/manifest.json`)
    return await this.#aliases.move(name, alias, target, () => this.#now(), options.expect)
  }

  async aliases(name: string): Promise<ModelAlias[]> {
    return await this.#aliases.list(checkModelName('list aliases', name))
  }
}
