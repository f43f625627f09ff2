/** From what a publisher passes to a manifest without version and files, checked before anything is written. */
import { InvalidOptionError } from '../../core/errors.js'
import { functionOption, numberOption, optionsObject, stringOption } from '../../core/options.js'
import { canonicalJson, type JsonObject } from '../manifest/canonical-json.js'
import { checkManifest } from '../manifest/manifest-check.js'
import type { GoldenPrediction, ModelManifest } from '../manifest/manifest.js'
import { attributionOptions } from './_attribution.js'
import { checkTags } from './_version-changes.js'
import type { GoldenInput, PublishOptions } from './model-store.js'
import { checkModelName, pathClash, pathFault } from '../manifest/names.js'

const owner = 'a version'
const defaultTolerance = 1e-4

/** The value as JSON keeps it. */
const asJson = <T>(value: unknown, where: string): T => JSON.parse(canonicalJson(value, where)) as T

const asGolden = (golden: GoldenInput, index: number): GoldenPrediction => asJson({ tolerance: defaultTolerance, ...golden }, `golden[${index}]`)

const checkFiles = (files: unknown): void => {
  if (typeof files !== 'object' || files === null) throw new InvalidOptionError(`Cannot publish ${owner} as \`files\` must be a record of paths and contents: current value is ${String(files)}`)
  for (const [path, content] of Object.entries(files)) {
    const wrong = pathFault(path)
    if (wrong !== undefined) throw new InvalidOptionError(`Cannot publish ${owner} as a path of \`files\` ${wrong}: current value is ${JSON.stringify(path)}`)
    const isContent = typeof content === 'string' || content instanceof Uint8Array
      || (typeof content === 'object' && content !== null && typeof (content as { from?: unknown }).from === 'string')
    if (!isContent) throw new InvalidOptionError(`Cannot publish ${owner} as \`files[${JSON.stringify(path)}]\` must be bytes, a string or { from }: current value is ${Object.prototype.toString.call(content)}`)
  }
  const clash = pathClash(Object.keys(files))
  if (clash !== undefined) throw new InvalidOptionError(`Cannot publish ${owner} as no path of \`files\` may be another one, but for case and Unicode composition, or lie below it: current value is ${JSON.stringify(clash.path)} beside ${JSON.stringify(clash.other)}`)
}

/** The manifest to be, with version 1 and no files as placeholders. */
export const draftManifest = (options: PublishOptions, created: string): ModelManifest => {
  optionsObject(owner, options, ['name', 'version', 'engine', 'files', 'signature', 'golden', 'lineage', 'metadata', 'tags', 'sign', ...attributionOptions])
  functionOption(owner, 'sign', options.sign)
  if (options.tags !== undefined) checkTags('publish', options.tags)
  checkModelName('publish', options.name)
  if (options.version !== undefined) numberOption(owner, 'version', options.version, { min: 1, max: 999_999_999_999_999, integer: true })
  checkFiles(options.files)
  const { signature, golden, lineage, metadata } = options
  const draft: ModelManifest = {
    format: 'outrigger-model',
    formatVersion: 1,
    name: options.name,
    version: 1,
    engine: stringOption(owner, 'engine', options.engine),
    files: [],
    created,
    ...(signature === undefined ? {} : { signature: asJson(signature, 'signature') }),
    ...(golden === undefined ? {} : { golden: golden.map(asGolden) }),
    ...(lineage === undefined ? {} : { lineage: asJson<JsonObject>(lineage, 'lineage') }),
    ...(metadata === undefined ? {} : { metadata: asJson<JsonObject>(metadata, 'metadata') }),
  }
  const fault = checkManifest(draft)
  if (fault !== undefined) throw new InvalidOptionError(`Cannot publish ${options.name} as ${fault.constraint}: current value is ${fault.value}`)
  return draft
}
