import { OutriggerError } from '../core/errors.js'
import { magnitudeCells, ordinaryCells, specialCells, type FeatureCells } from './feature-cells.js'
import type { FeatureProfile, ReferenceProfile } from './reference-profile.js'

/** The version of the file format that this release writes and reads. */
export const profileVersion = 1

/** A feature of a profile as JSON. */
type FeatureFile = Record<string, unknown> & { readonly name: string }

/** A reference profile as JSON. `checksum` is over all the rest. */
export interface ReferenceProfileFile {
  readonly format: 'outrigger-profile'
  readonly version: number
  readonly checksum: string
  readonly rows: number
  readonly features: readonly FeatureFile[]
}

/** What the checksum is over. */
export const contentOf = (features: readonly FeatureProfile[], rows: number): Omit<ReferenceProfileFile, 'checksum'> => ({
  format: 'outrigger-profile',
  version: profileVersion,
  rows,
  features: features.map((feature) => {
    const { name, role, kind } = feature
    const counts = [...feature.counts]
    if (feature.kind === 'numeric') {
      return { name, role, kind, edges: [...feature.edges], points: [...feature.points], magnitudeBase: feature.magnitudeBase, counts, magnitudes: [...feature.magnitudes] }
    }
    const { categories, tail, isTailComplete, largestTailShare, types } = feature
    return { name, role, kind, types, categories, tail, isTailComplete, largestTailShare, counts }
  }),
})

/** A profile as JSON, with its checksum. */
export const profileFileOf = (profile: ReferenceProfile): ReferenceProfileFile => {
  const { format, version, ...rest } = contentOf(profile.features, profile.rows)
  return { format, version, checksum: profile.checksum, ...rest }
}

/** Refuses a profile, with the reason. */
export const refused = (why: string, value: unknown, cause?: unknown): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot read a drift profile as ${why}: current value is ${typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)}`, cause === undefined ? {} : { cause })

/** The feature that a profile's JSON describes, each part checked. */
export const readFeature = (given: unknown): FeatureProfile => {
  if (!isRecord(given)) throw refused('a feature must be an object', given)
  const { name, role, kind } = given
  if (typeof name !== 'string') throw refused('a feature must have a name', name)
  if (role !== 'input' && role !== 'output') throw refused(`the role of ${name} must be 'input' or 'output'`, role)
  const cells = kind === 'numeric' ? readNumeric(given, { name, role }) : kind === 'categorical' ? readCategorical(given, { name, role }) : undefined
  if (cells === undefined) throw refused(`the kind of ${name} must be 'numeric' or 'categorical'`, kind)
  const counts = wholeNumbers(given['counts'], `the counts of ${name}`, ordinaryCells(cells) + specialCells.length)
  const magnitudes = cells.kind === 'numeric' ? wholeNumbers(given['magnitudes'], `the magnitudes of ${name}`, magnitudeCells) : new Float64Array()
  return { ...cells, counts, magnitudes }
}

const readNumeric = (given: Record<string, unknown>, base: Pick<FeatureCells, 'name' | 'role'>): FeatureCells => {
  const { edges, points, magnitudeBase } = given
  if (!isListOf(edges, Number.isFinite) || edges.some((edge, index) => index > 0 && !((edges[index - 1] as number) < (edge as number)))) throw refused(`the edges of ${base.name} must be increasing numbers`, edges)
  if (!isListOf(points, (point) => isListOf(point, Number.isFinite) && point.length === 2)) throw refused(`the points of ${base.name} must be pairs of a cell and a value`, points)
  if (!isWhole(magnitudeBase)) throw refused(`the magnitude base of ${base.name} must be a whole number`, magnitudeBase)
  return { ...base, kind: 'numeric', edges: Float64Array.from(edges as number[]), points: new Map(points as [number, number][]), magnitudeBase }
}

const readCategorical = (given: Record<string, unknown>, base: Pick<FeatureCells, 'name' | 'role'>): FeatureCells => {
  const { categories, tail, isTailComplete, largestTailShare, types } = given
  if (!isListOf(categories, isString) || new Set(categories).size !== categories.length) throw refused(`the categories of ${base.name} must be different strings`, categories)
  if (!isListOf(tail, isWhole)) throw refused(`the tail of ${base.name} must be hashes`, tail)
  if (typeof isTailComplete !== 'boolean' || typeof largestTailShare !== 'number') throw refused(`the tail of ${base.name} must be described`, isTailComplete)
  if (!isListOf(types, (type) => type === 'string' || type === 'number' || type === 'boolean')) throw refused(`the types of ${base.name} must be type names`, types)
  return { ...base, kind: 'categorical', categories: categories as string[], tail: tail as number[], isTailComplete, largestTailShare, types: types as ('string' | 'number' | 'boolean')[] }
}

/** Counts from JSON, of the length that the cells ask for. */
export const wholeNumbers = (given: unknown, what: string, length: number): Float64Array => {
  if (!isListOf(given, isWhole) || given.length !== length) throw refused(`${what} must be ${length} whole numbers`, given)
  return Float64Array.from(given as number[])
}

/** Whether a JSON value is a count. */
export const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

/** Whether a JSON value is an object. */
export const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const isString = (value: unknown): boolean => typeof value === 'string'

const isListOf = (value: unknown, test: (item: unknown) => boolean): value is unknown[] => Array.isArray(value) && value.every((item) => test(item))
