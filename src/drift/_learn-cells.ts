import { InvalidOptionError, OptionRangeError, OutriggerError } from '../core/errors.js'
import { categoricalCells } from './_categorical-cells.js'
import { CellFinder, FoundCells, type Place } from './_cell-finder.js'
import { numericCells } from './_numeric-cells.js'
import { pairNames } from './_pair-cells.js'
import type { RowSample } from './_row-sample.js'
import type { CategoricalCells, FeatureCells, FeatureKind, FeatureRole, FeatureRow, FeatureValue } from './feature-cells.js'
import type { ReferenceProfileOptions } from './reference-profile.js'

const owner = 'a reference profile'
const maximumFeatures = 4096

/** What is known of a row besides its inputs, and how to get it. */
export interface ExtraFeature<R> {
  readonly role: Exclude<FeatureRole, 'input' | 'pair'>
  readonly name: string
  readonly of: (row: R, index: number) => FeatureValue
}

/** The extra features that the options ask for, in the order of the profile. */
export const extraFeatures = <R extends FeatureRow>({ output, label, score }: ReferenceProfileOptions<R>): ExtraFeature<R>[] =>
  ([['output', output], ['label', label], ['score', score]] as const).flatMap(([role, of]) => (of === undefined ? [] : [{ role, name: `@${role}`, of }]))

/** Chooses the cells of all features from a sample of the rows. */
export const learnCells = <R extends FeatureRow>(sample: RowSample<R>, options: ReferenceProfileOptions<R>): FeatureCells[] => {
  const { kinds = {}, cells = 64, categories = 100, pairs = [] } = options
  const extras = extraFeatures(options)
  const names = options.features ?? namesOf(sample)
  if (names.length === 0 || new Set(names).size !== names.length || names.some((name) => reserved.includes(name))) {
    throw new InvalidOptionError(`Cannot create ${owner} as \`features\` must be different names, and none of ${reserved.join(', ')}: current value is [${names.slice(0, 20).join(', ')}]`)
  }
  for (const name of Object.keys(kinds)) {
    if (!names.includes(name) && !extras.some((extra) => extra.name === name)) throw new InvalidOptionError(`Cannot create ${owner} as \`kinds\` may only name features: current value is ${JSON.stringify(name)}`)
    if (kinds[name] !== 'numeric' && kinds[name] !== 'categorical') throw new OptionRangeError(`Cannot create ${owner} as \`kinds.${name}\` must be 'numeric' or 'categorical': current value is ${String(kinds[name])}`)
  }
  const learn = (name: string, role: FeatureRole, values: readonly unknown[]): FeatureCells => {
    const kind = Object.hasOwn(kinds, name) ? (kinds[name] as FeatureKind) : kindOf(name, values)
    if (kind === 'categorical') return { name, role, kind, ...categoricalCells(values, categories) }
    return { name, role, kind, ...numericCells(Float64Array.from(values.filter((value): value is number => Number.isFinite(value))).sort(), cells) }
  }
  const inputs = names.map((name, position) => learn(name, 'input', sample.rows.map(({ row }) => valueOf(row, name, position))))
  return [
    ...inputs,
    ...extras.map(({ name, role, of }) => learn(name, role, sample.rows.map(({ row, index }) => of(row, index)))),
    ...learnPairs(sample, inputs, pairs, categories),
  ]
}

const reserved = ['@output', '@label', '@score']

/** The joint cells of pairs: the most frequent combinations of the cells of both are named. */
const learnPairs = <R extends FeatureRow>(sample: RowSample<R>, inputs: readonly FeatureCells[], pairs: readonly (readonly [string, string])[], categories: number): CategoricalCells[] => {
  if (pairs.length === 0) return []
  const finder = new CellFinder(inputs)
  const found = new FoundCells(inputs.length)
  const parts = pairs.map(([one, two]) => {
    const [first, second] = [one, two].map((name) => inputs.findIndex((input) => input.name === name)) as [number, number]
    if (first < 0 || second < 0 || first === second) throw new InvalidOptionError(`Cannot create ${owner} as \`pairs\` must be pairs of two different features: current value is [${String(one)}, ${String(two)}]`)
    const [x, y] = [finder.places[first] as Place, finder.places[second] as Place]
    const name = pairNames(inputs[first] as FeatureCells, inputs[second] as FeatureCells)
    return { of: [one, two] as const, values: [] as string[], nameOf: () => name((found.cells[2 * first] as number) - x.offset, (found.cells[2 * second] as number) - y.offset) }
  })
  for (const { row } of sample.rows) {
    finder.findRow(row, found)
    for (const { values, nameOf } of parts) values.push(nameOf())
  }
  return parts.map(({ of, values }) => ({ name: of.join(' × '), role: 'pair', kind: 'categorical', of, ...categoricalCells(values, categories), types: ['string'] }))
}

const namesOf = <R extends FeatureRow>(sample: RowSample<R>): string[] => {
  const names = new Set<string>()
  for (const { row } of sample.rows) {
    if (typeof row !== 'object' || row === null || Array.isArray(row) || ArrayBuffer.isView(row)) {
      throw new InvalidOptionError(`Cannot create ${owner} as rows that are no records need \`features\`, their names in order: current value is undefined`)
    }
    for (const name of Object.keys(row)) names.add(name)
    if (names.size > maximumFeatures) {
      throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot build a reference profile as it holds at most ${maximumFeatures} features (name some in \`features\`): current value is more`)
    }
  }
  return [...names]
}

const valueOf = (row: FeatureRow, name: string, position: number): unknown =>
  Array.isArray(row) || ArrayBuffer.isView(row) ? (row as ArrayLike<unknown>)[position] : name in Object.prototype && !Object.hasOwn(row, name) ? undefined : (row as Readonly<Record<string, unknown>>)[name]

const kindOf = (name: string, values: readonly unknown[]): FeatureKind => {
  let numbers = 0
  let words = 0
  let others = 0
  for (const value of values) {
    if (typeof value === 'number') numbers += 1
    else if (typeof value === 'string' || typeof value === 'boolean') words += 1
    else if (value !== undefined && value !== null) others += 1
  }
  if (numbers + words === 0 && others > 0) {
    throw new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot build a reference profile as feature ${JSON.stringify(name)} must hold numbers, strings or booleans: current value is ${others} values of other types`)
  }
  return numbers > 0 && numbers >= words ? 'numeric' : 'categorical'
}
