/** The store in a directory: how a version gets in, is found, and is read. What it promises stands at `ModelStore`. */
import { join } from 'node:path'
import { systemClock, type Clock } from '../../core/clock.js'
import { InvalidOptionError, isOutriggerError, OutriggerError } from '../../core/errors.js'
import { numberOption, optionsObject, stringOption } from '../../core/options.js'
import { onceBytes, syncDirectory } from '../../store/atomic-file.js'
import { errnoOf, nodeFileSystem } from '../../store/file-system.js'
import { Aliases, type ModelAlias } from './_aliases.js'
import { Disk, corrupt } from './_disk.js'
import { draftManifest } from './_publish.js'
import { sha256Hex } from '../manifest/digest.js'
import { manifestDigest, parseManifest, serializeManifest, type ManifestFile, type ModelManifest } from '../manifest/manifest.js'
import { ModelFiles } from './model-files.js'
import type { FileContent, ListedVersion, ModelStore, ModelStoreOptions, ModelVersion, OpenedModel, PublishOptions, SetAliasOptions } from './model-store.js'
import { checkAliasName, checkModelName, isModelName, parseReference } from '../manifest/names.js'

const maxManifestBytes = 16 * 1024 * 1024

const notFound = (what: string, constraint: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_NOT_FOUND', `Cannot find ${what} as ${constraint}: current value is nothing`, { reference: what })

export class DirectoryStore implements ModelStore {
  readonly #disk: Disk
  readonly #aliases: Aliases
  readonly #clock: Clock

  constructor(options: ModelStoreOptions) {
    optionsObject('modelStore', options, ['path', 'clock', 'fileSystem'])
    const { path, clock = systemClock, fileSystem = nodeFileSystem } = options
    this.#disk = new Disk(stringOption('modelStore', 'path', path), fileSystem)
    this.#aliases = new Aliases(this.#disk)
    this.#clock = clock
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString()
  }

  async publish(options: PublishOptions): Promise<ModelVersion> {
    const draft = draftManifest(options, this.#now())
    const exists = (version: number): OutriggerError =>
      new OutriggerError('ERR_OUTRIGGER_MODEL_EXISTS', `Cannot publish ${options.name}@${version} as a version is published once: current value is a published version`, { model: options.name, version })
    if (options.version !== undefined && await this.#manifestBytes(options.name, options.version) !== undefined) throw exists(options.version)

    const blobs = await this.#disk.prepare('blobs')
    const files: ManifestFile[] = []
    for (const [path, content] of Object.entries(options.files)) files.push({ path, ...await this.#writeContent(blobs, content) })
    for (let version = options.version ?? await this.#nextVersion(options.name); ; version += 1) {
      const published = await this.#link(blobs, { ...draft, version, files })
      if (published !== undefined) return published
      if (options.version !== undefined) throw exists(version)
    }
  }

  async #writeContent(blobs: string, content: FileContent): Promise<{ readonly bytes: number; readonly sha256: string }> {
    if (typeof content === 'string') return await this.#disk.writeBlob(blobs, onceBytes(new TextEncoder().encode(content)))
    if (content instanceof Uint8Array) return await this.#disk.writeBlob(blobs, onceBytes(content))
    const source = await this.#disk.fileChunks(content.from)
    try {
      return await this.#disk.writeBlob(blobs, source.next)
    } finally {
      await source.close()
    }
  }

  /** The publish itself: a second name for the manifest's blob. `undefined` if the number is taken. */
  async #link(blobs: string, manifest: ModelManifest): Promise<ModelVersion | undefined> {
    const { name, version } = manifest
    const bytes = serializeManifest(manifest)
    const { sha256: digest } = await this.#disk.writeBlob(blobs, onceBytes(bytes))
    await syncDirectory(this.#disk.fileSystem, blobs)
    const directory = await this.#disk.prepare('models', name, 'versions', String(version))
    try {
      await this.#disk.fileSystem.link(join(blobs, `sha256-${digest}`), join(directory, 'manifest.json'))
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return undefined
      throw error
    }
    await syncDirectory(this.#disk.fileSystem, directory)
    return { name, version, digest, manifest: parseManifest(bytes) }
  }

  async #versions(name: string): Promise<number[]> {
    const names = await this.#disk.names('models', name, 'versions')
    return names.filter((text) => /^[1-9]\d{0,14}$/.test(text)).map(Number).sort((a, b) => a - b)
  }

  async #latest(name: string): Promise<number | undefined> {
    for (const version of (await this.#versions(name)).reverse()) {
      // A directory without a manifest is a publish that did not end.
      if (await this.#disk.locate('models', name, 'versions', String(version), 'manifest.json') !== undefined) return version
    }
    return undefined
  }

  async #nextVersion(name: string): Promise<number> {
    return (await this.#latest(name) ?? 0) + 1
  }

  async #manifestBytes(name: string, version: number): Promise<Uint8Array | undefined> {
    return await this.#disk.readSmall(maxManifestBytes, 'models', name, 'versions', String(version), 'manifest.json')
  }

  async #read(name: string, version: number): Promise<ModelVersion> {
    const what = `${name}@${version}`
    const bytes = await this.#manifestBytes(name, version)
    if (bytes === undefined) throw notFound(what, 'it must be published')
    const digest = sha256Hex(bytes)
    // The manifest's own blob is named by the hash it was published with, so a changed manifest finds none.
    await this.#disk.readBlob({ sha256: digest, bytes: bytes.length }, `the manifest of ${what}`)
    const manifest = parseManifest(bytes, `the manifest of ${what}`)
    if (manifest.name !== name || manifest.version !== version) {
      throw corrupt(what, 'its manifest must be its own', `that of ${manifest.name}@${manifest.version}`)
    }
    return { name, version, digest, manifest }
  }

  async #byDigest(digest: string, name: string | undefined): Promise<ModelVersion> {
    const bytes = await this.#disk.readSmall(maxManifestBytes, 'blobs', `sha256-${digest}`)
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
    for (const file of found.manifest.files) files.set(file.path, await this.#disk.readBlob(file, `\`${file.path}\` of ${what}`))
    return { name: found.name, version: found.version, digest: found.digest, manifest: found.manifest, files: new ModelFiles(what, files) }
  }

  async list(name?: string): Promise<ListedVersion[]> {
    const names = name === undefined ? (await this.#disk.names('models')).filter(isModelName).sort() : [checkModelName('list versions', name)]
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
    return await this.#aliases.move(name, alias, await this.#read(name, version), () => this.#now(), options.expect)
  }

  async aliases(name: string): Promise<ModelAlias[]> {
    return await this.#aliases.list(checkModelName('list aliases', name))
  }
}
