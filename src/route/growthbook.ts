/** Variants as GrowthBook's SDKs choose them, for services that share their experiments with ours. Written from its published specification, 0.7. */
import type { Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { optionsObject, requiredFunction, stringOption } from '../core/options.js'
import type { Assigned, Assignment } from './split.js'

/** A stretch of [0, 1), its end excluded. */
export type GrowthBookRange = readonly [from: number, to: number]

/** What GrowthBook keeps of one user: the document of a sticky bucket service. */
export interface GrowthBookStickyDoc {
  readonly attributeName: string
  readonly attributeValue: string
  /** `experiment__bucketVersion` → key of the variation. */
  readonly assignments: Readonly<Record<string, string>>
}

/** Where documents are, by `attribute||value`, synchronously: a `Map` that the host filled from its sticky bucket service, for example. */
export interface GrowthBookStickyDocs {
  get(key: string): GrowthBookStickyDoc | undefined
  set(key: string, doc: GrowthBookStickyDoc): unknown
}

/** An experiment as GrowthBook's payload has it. What it targets by (conditions, prerequisites, URLs) is not looked at. */
export interface GrowthBookExperiment {
  readonly key: string
  /** How many variations there are; at least two. */
  readonly variations: number
  readonly weights?: readonly number[]
  /** @default 1 */
  readonly coverage?: number
  /** In the place of weights and coverage. */
  readonly ranges?: readonly GrowthBookRange[]
  /** @default key */
  readonly seed?: string
  /** @default 1 */
  readonly hashVersion?: number
  /** @default 'id' */
  readonly hashAttribute?: string
  /** Used where the hash attribute is missing, with sticky buckets only. */
  readonly fallbackAttribute?: string
  readonly namespace?: readonly [id: string, from: number, to: number]
  /** In the place of the namespace. */
  readonly filters?: readonly { readonly seed: string; readonly ranges: readonly GrowthBookRange[]; readonly hashVersion?: number; readonly attribute?: string }[]
  /** The variations' keys, by which sticky buckets are found again; without them, they are not. */
  readonly meta?: readonly { readonly key?: string }[]
  /** @default 0 */
  readonly bucketVersion?: number
  /** Who has a bucket of a version below is out of the experiment. @default 0 */
  readonly minBucketVersion?: number
  readonly disableStickyBucketing?: boolean
}

/** What GrowthBook says of a user. */
export interface GrowthBookResult {
  /** -1 for who is not in the experiment. */
  readonly variation: number
  readonly isSticky: boolean
  /** The share of the variation among those who are in. */
  readonly propensity: number
}

/**
 * GrowthBook's hash, in [0, 1): version 1 in steps of 0.001, version 2 in steps of 0.0001, `null` for any other.
 *
 * FNV-1a 32 over UTF-16 code units: v1 = fnv(value + seed) mod 1000, v2 = fnv(decimal of fnv(seed + value)) mod 10 000. Version 1 makes experiments whose seeds are alike depend
 * on each other: measured, a split inside an arm of another was off by a mean |z| of 92 in 200 000 ids. Choose 2 where you can choose.
 */
export const growthBookHash = (seed: string, value: string, version: number): number | null => {
  if (version === 2) return (fnv1a(String(fnv1a(seed + value))) % 10_000) / 10_000
  if (version === 1) return (fnv1a(value + seed) % 1000) / 1000
  return null
}

/** The ranges of variations. As there, weights of the wrong number or with a sum outside of [0.99, 1.01] count as equal. */
export const growthBookRanges = (variations: number, coverage = 1, weights?: readonly number[]): GrowthBookRange[] => {
  const covered = Math.min(1, Math.max(0, coverage))
  const sum = weights?.reduce((total, weight) => total + weight, 0) ?? 0
  const used = weights !== undefined && weights.length === variations && sum >= 0.99 && sum <= 1.01 ? weights : new Array<number>(Math.max(0, variations)).fill(1 / variations)
  let start = 0
  return used.map((weight) => {
    const from = start
    start += weight
    return [from, from + covered * weight] as const
  })
}

/** The variation whose range holds a hash, or -1. */
export const growthBookVariation = (hash: number, ranges: readonly GrowthBookRange[]): number => ranges.findIndex(([from, to]) => hash >= from && hash < to)

/** Whether a user is in a stretch of a namespace; always by hash version 1. */
export const inGrowthBookNamespace = (value: string, [id, from, to]: readonly [id: string, from: number, to: number]): boolean => {
  const hash = growthBookHash(`__${id}`, value, 1) as number
  return hash >= from && hash < to
}

/** Which variation a user with these attributes has. With sticky buckets, a new assignment is put into `docs`. */
export const growthBookResult = (experiment: GrowthBookExperiment, attributes: Readonly<Record<string, unknown>>, docs?: GrowthBookStickyDocs): GrowthBookResult => {
  const { key, hashAttribute = 'id', fallbackAttribute, hashVersion = 1, meta = [], bucketVersion = 0, minBucketVersion = 0 } = experiment
  // As there, 0 and false are no values.
  const textOf = (attribute: string): string => (attributes[attribute] ? String(attributes[attribute]) : '')
  const sticky = experiment.disableStickyBucketing === true ? undefined : docs
  let attribute = hashAttribute
  let value = textOf(attribute)
  if (value === '' && sticky !== undefined && fallbackAttribute !== undefined) {
    attribute = fallbackAttribute
    value = textOf(attribute)
  }
  if (value === '') return out
  const ranges = experiment.ranges ?? growthBookRanges(experiment.variations, experiment.coverage, experiment.weights)
  const result = (variation: number, isSticky: boolean): GrowthBookResult => ({ variation, isSticky, propensity: shareOf(variation, ranges) })
  const keyOf = (variation: number): string => meta[variation]?.key ?? String(variation)

  if (sticky !== undefined) {
    const keptBy = (name: string | undefined): Readonly<Record<string, string>> | undefined => (name === undefined || textOf(name) === '' ? undefined : sticky.get(`${name}||${textOf(name)}`)?.assignments)
    // Without a fallback the documents of `id` are read, as there.
    const kept = { ...keptBy(fallbackAttribute ?? 'id'), ...keptBy(hashAttribute) }
    for (let version = 0; version < minBucketVersion; version += 1) if (kept[`${key}__${version}`] !== undefined) return out
    const before = kept[`${key}__${bucketVersion}`]
    const variation = before === undefined ? -1 : meta.findIndex((one) => one.key === before)
    if (variation >= 0) {
      if (growthBookHash('', '', hashVersion) === null) return out
      keep(sticky, attribute, value, `${key}__${bucketVersion}`, before as string)
      return result(variation, true)
    }
  }

  if (experiment.filters !== undefined) {
    for (const filter of experiment.filters) {
      const filtered = textOf(filter.attribute ?? 'id')
      const hash = filtered === '' ? null : growthBookHash(filter.seed, filtered, filter.hashVersion ?? 2)
      if (hash === null || growthBookVariation(hash, filter.ranges) < 0) return out
    }
  } else if (experiment.namespace !== undefined && !inGrowthBookNamespace(value, experiment.namespace)) return out
  const hash = growthBookHash(experiment.seed || key, value, hashVersion)
  const variation = hash === null ? -1 : growthBookVariation(hash, ranges)
  if (variation < 0) return out
  if (sticky !== undefined) keep(sticky, attribute, value, `${key}__${bucketVersion}`, keyOf(variation))
  return result(variation, false)
}

/** Options of {@link growthBookAssignment}. */
export interface GrowthBookAssignmentOptions<I, Name extends string> {
  /** As the payload has it; `variations` is how many names there are. */
  readonly experiment: Omit<GrowthBookExperiment, 'variations'>
  /** The variants, in the order of GrowthBook's variations. */
  readonly variants: readonly Name[]
  /** The attributes of a call. @default { id: call.key } */
  readonly attributes?: (input: I, call: Call) => Readonly<Record<string, unknown>>
  /** Sticky buckets. @default none */
  readonly docs?: GrowthBookStickyDocs
}

/**
 * The `assignment` of a {@link split} that agrees with GrowthBook's SDKs: same hash, ranges, namespaces, coverage and sticky buckets.
 *
 * Who is not in the experiment has the control by `default`. Slower than our own hash (it joins texts and hashes them by character), and no finer than 0.01 %; a new weight
 * moves users between all variations, as it does there.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 * @example
 * ```ts
 * import { growthBookAssignment, split } from 'outrigger/route'
 * const assignment = growthBookAssignment({ experiment: { key: 'exp-1', weights: [0.5, 0.5], hashVersion: 2 }, variants: ['control', 'canary'] })
 * const predict = split({ variants: { control: (x: number) => 'old', canary: (x: number) => 'new' }, assignment })
 * const { record } = await predict.detailed(1, { key: 'user-17' })
 * assert.equal(record.variants[0]?.propensity, 0.5)
 * ```
 */
export const growthBookAssignment = <I = unknown, const Name extends string = string>(options: GrowthBookAssignmentOptions<I, Name>): Assignment<I, Name> => {
  const owner = 'a GrowthBook assignment'
  optionsObject(owner, options, ['experiment', 'variants', 'attributes', 'docs'])
  const { variants, docs } = options
  if (!Array.isArray(variants) || variants.length < 2) throw new InvalidOptionError(`Cannot create ${owner} as \`variants\` must be the names of two variants or more: current value is ${JSON.stringify(variants)}`)
  stringOption(owner, 'experiment.key', options.experiment?.key)
  const { coverage, weights, ranges = growthBookRanges(variants.length, coverage, weights) } = options.experiment
  const experiment = { ...options.experiment, variations: variants.length, ranges }
  const attributes = options.attributes === undefined ? undefined : requiredFunction(owner, 'attributes', options.attributes)
  return (input, call): Assigned<Name> | undefined => {
    const { variation, isSticky, propensity } = growthBookResult(experiment, attributes === undefined ? { id: call.key } : attributes(input, call), docs)
    return variation < 0 ? undefined : { variant: variants[variation] as Name, propensity, reason: isSticky ? 'sticky' : 'external' }
  }
}

const out: GrowthBookResult = Object.freeze({ variation: -1, isSticky: false, propensity: 1 })

const shareOf = (variation: number, ranges: readonly GrowthBookRange[]): number => {
  const total = ranges.reduce((sum, [from, to]) => sum + to - from, 0)
  const [from, to] = ranges[variation] ?? [0, 0]
  return (to - from) / total
}

const keep = (docs: GrowthBookStickyDocs, attributeName: string, attributeValue: string, experiment: string, variation: string): void => {
  const key = `${attributeName}||${attributeValue}`
  const before = docs.get(key)
  if (before?.assignments[experiment] === variation) return
  docs.set(key, { attributeName, attributeValue, assignments: { ...before?.assignments, [experiment]: variation } })
}

/** Over UTF-16 code units, a unit at a time, as GrowthBook does; the published algorithm is over bytes. */
const fnv1a = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
