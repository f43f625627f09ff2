import { OutriggerError } from '../core/errors.js'
import { DDSketch, type DDSketchState } from '../stats/ddsketch.js'
import { isRecord, isWhole } from './saved-json.js'
import { momentSlots, momentsFrom, momentsOf, wholeMoments } from './_moments.js'
import { magnitudeCells, ordinaryCells, specialCells, type FeatureCells, type FeatureRole } from './feature-cells.js'
import type { FeatureProfile, ReferenceProfile } from './reference-profile.js'

/** The version of the file format that this release writes and reads. */
export const profileVersion = 2

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
      const { edges, points, magnitudeBase, centre, exponent, magnitudes, sums, min, max, sketch } = feature
      const isEmpty = Number.isNaN(min)
      return { name, role, kind, edges: [...edges], points: [...points], magnitudeBase, centre, exponent, min: isEmpty ? null : min, max: isEmpty ? null : max, sums: wholeMoments(sums), counts, magnitudes: [...magnitudes], ...(sketch === undefined ? {} : { sketch: sketch.toJSON() }) }
    }
    const { categories, tail, isTailComplete, largestTailShare, types, of } = feature
    return { name, role, kind, ...(of === undefined ? {} : { of }), types, categories, tail, isTailComplete, largestTailShare, counts }
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
  if (!roles.includes(role as FeatureRole)) throw refused(`the role of ${name} must be one of ${roles.join(', ')}`, role)
  const base = { name, role: role as FeatureRole }
  const cells = kind === 'numeric' ? readNumeric(given, base) : kind === 'categorical' ? readCategorical(given, base) : undefined
  if (cells === undefined) throw refused(`the kind of ${name} must be 'numeric' or 'categorical'`, kind)
  const counts = wholeNumbers(given['counts'], `the counts of ${name}`, ordinaryCells(cells) + specialCells.length)
  if (cells.kind === 'categorical') return featureProfile(cells, { counts })
  const magnitudes = wholeNumbers(given['magnitudes'], `the magnitudes of ${name}`, magnitudeCells)
  const sums = momentsFrom(given['sums'], momentSlots)
  if (sums === undefined) throw refused(`the sums of ${name} must be ${momentSlots} whole numbers`, given['sums'])
  const [min, max] = [given['min'] ?? NaN, given['max'] ?? NaN]
  if (typeof min !== 'number' || typeof max !== 'number') throw refused(`the extremes of ${name} must be numbers`, min)
  return featureProfile(cells, { counts, magnitudes, sums, min, max, sketch: readSketch(given['sketch'], name, finiteRows(counts)) })
}

/** Profiles from before there were sketches have none. */
const readSketch = (given: unknown, name: string, rows: number): DDSketch | undefined => {
  if (given === undefined) return undefined
  const sketch = isRecord(given) && 'sketch' in given ? new DDSketch(given as unknown as DDSketchState) : undefined
  if (sketch?.count !== rows) throw refused(`the sketch of ${name} must be of its ${rows} finite values`, sketch?.count)
  return sketch
}

const roles: readonly FeatureRole[] = ['input', 'output', 'label', 'score', 'pair']

/** A feature's cells and what was counted into them; of a category that is its counts only. */
export const featureProfile = (cells: FeatureCells, { counts, magnitudes = new Float64Array(), sums = new Float64Array(), min = NaN, max = NaN, sketch }: Counted): FeatureProfile => ({
  ...cells,
  counts,
  magnitudes,
  sums,
  min,
  max,
  sketch,
  moments: cells.kind === 'numeric' ? momentsOf(sums, finiteRows(counts), cells) : undefined,
})

type Counted = Pick<FeatureProfile, 'counts'> & Partial<Pick<FeatureProfile, 'magnitudes' | 'sums' | 'min' | 'max' | 'sketch'>>

/** How many rows had a finite number, by the counts of a numeric feature. */
export const finiteRows = (counts: ArrayLike<number>): number => {
  let rows = 0
  for (let cell = 0; cell < counts.length - specialCells.length; cell++) rows += counts[cell] as number
  return rows
}

const readNumeric = (given: Record<string, unknown>, base: Pick<FeatureCells, 'name' | 'role'>): FeatureCells => {
  const { edges, points, magnitudeBase, centre, exponent } = given
  if (!isListOf(edges, Number.isFinite) || edges.some((edge, index) => index > 0 && !((edges[index - 1] as number) < (edge as number)))) throw refused(`the edges of ${base.name} must be increasing numbers`, edges)
  if (!isListOf(points, (point) => isListOf(point, Number.isFinite) && point.length === 2)) throw refused(`the points of ${base.name} must be pairs of a cell and a value`, points)
  if (!isWhole(magnitudeBase)) throw refused(`the magnitude base of ${base.name} must be a whole number`, magnitudeBase)
  if (typeof centre !== 'number' || !Number.isFinite(centre) || !Number.isInteger(exponent) || Math.abs(exponent as number) > 1000) throw refused(`the unit of ${base.name} must be a number and an exponent`, exponent)
  return { ...base, kind: 'numeric', edges: Float64Array.from(edges as number[]), points: new Map(points as [number, number][]), magnitudeBase, centre, exponent: exponent as number }
}

const readCategorical = (given: Record<string, unknown>, base: Pick<FeatureCells, 'name' | 'role'>): FeatureCells => {
  const { categories, tail, isTailComplete, largestTailShare, types, of } = given
  if (!isListOf(categories, isString) || new Set(categories).size !== categories.length) throw refused(`the categories of ${base.name} must be different strings`, categories)
  if (!isListOf(tail, isWhole)) throw refused(`the tail of ${base.name} must be hashes`, tail)
  if (typeof isTailComplete !== 'boolean' || typeof largestTailShare !== 'number') throw refused(`the tail of ${base.name} must be described`, isTailComplete)
  if (!isListOf(types, (type) => type === 'string' || type === 'number' || type === 'boolean')) throw refused(`the types of ${base.name} must be type names`, types)
  if ((base.role === 'pair') !== (of !== undefined) || (of !== undefined && !(isListOf(of, isString) && of.length === 2))) throw refused(`the parts of ${base.name} must be two features`, of)
  return { ...base, kind: 'categorical', ...(of === undefined ? {} : { of: of as [string, string] }), categories: categories as string[], tail: tail as number[], isTailComplete, largestTailShare, types: types as ('string' | 'number' | 'boolean')[] }
}

/** Counts from JSON, of the length that the cells ask for. */
export const wholeNumbers = (given: unknown, what: string, length: number): Float64Array => {
  if (!isListOf(given, isWhole) || given.length !== length) throw refused(`${what} must be ${length} whole numbers`, given)
  return Float64Array.from(given as number[])
}

const isString = (value: unknown): boolean => typeof value === 'string'

const isListOf = (value: unknown, test: (item: unknown) => boolean): value is unknown[] => Array.isArray(value) && value.every((item) => test(item))
