import { changeOfScale } from './_change-of-scale.js'
import type { FeatureTest } from './_feature-test.js'
import type { FeatureTable, Pair, SpecialCell } from './_feature-table.js'
import { shown } from './_moved-cells.js'

/** What a change is. */
export type FindingKind =
  | 'missing'
  | 'not-a-number'
  | 'infinite'
  | 'wrong-type'
  | 'new-category'
  | 'renamed-category'
  | 'below-range'
  | 'above-range'
  | 'scaled'
  | 'shifted'
  | 'reshaped'
  | 'mix-changed'

/** One thing that changed about a feature, named as what it is. */
export interface Finding {
  readonly kind: FindingKind
  /** In words. */
  readonly text: string
  /** Share of the reference rows that it is about, in [0, 1]. */
  readonly before: number
  /** Share of the live rows that it is about, in [0, 1]. */
  readonly after: number
  /** `scaled`: about how many times as large the values are. */
  readonly factor?: number
  /** `shifted`: which way. */
  readonly direction?: 'higher' | 'lower'
  /** `renamed-category`: the one that is gone. */
  readonly category?: string
}

const percent = (share: number): string => `${shown(100 * share)} %`

/** What of a drifted feature changed, most telling first. `level` is the significance each must have. */
export const findingsOf = (table: FeatureTable, test: FeatureTest, level: number): Finding[] => {
  const { feature, n, m } = table
  const findings: Finding[] = []
  const isSignificant = (cell: SpecialCell): boolean => (test.specialPValues.get(cell) ?? 1) <= level
  const shares = (cell: SpecialCell): Pair => {
    const { before, after } = table.special.get(cell) ?? { before: 0, after: 0 }
    return { before: before / n, after: after / m }
  }
  const note = (kind: FindingKind, cell: SpecialCell, what: string): void => {
    const { before, after } = shares(cell)
    if (isSignificant(cell)) findings.push({ kind, before, after, text: `${percent(after)} ${what} (${percent(before)} in the reference)` })
  }
  note('missing', 'missing', shares('missing').after === 1 ? 'missing: not sent any more, or renamed?' : 'missing')
  note('not-a-number', 'nan', 'NaN')
  note('infinite', '+infinity', '+Infinity')
  note('infinite', '-infinity', '-Infinity')
  note('wrong-type', 'wrong-type', `of another type than ${feature.kind === 'numeric' ? 'number' : feature.types.join(' or ')}`)
  if (feature.kind === 'categorical') findings.push(...categoryFindings(table, test, level))
  else {
    const scale = test.ordinaryPValue <= level || isSignificant('below-range') || isSignificant('above-range') ? changeOfScale(feature.magnitudes, table.liveMagnitudes, feature.magnitudeBase) : undefined
    if (scale !== undefined) findings.push({ kind: 'scaled', before: 1, after: 1, factor: scale, text: `values about ${shown(scale)} times as large: another unit?` })
    else {
      note('below-range', 'below-range', 'below all that the reference saw')
      note('above-range', 'above-range', 'above all that the reference saw')
      if (test.ordinaryPValue <= level || findings.length === 0) findings.push(shapeFinding(table))
    }
  }
  return findings
}

const categoryFindings = (table: FeatureTable, test: FeatureTest, level: number): Finding[] => {
  const { feature, n, m } = table
  if (feature.kind !== 'categorical') return []
  const findings: Finding[] = []
  const unseen = table.unseen
  const [before, after] = [unseen.before / n, unseen.after / m]
  if ((test.specialPValues.get('unnamed') ?? 1) <= level && after > before) {
    const gone = table.named.findIndex((_, index) => {
      const [was, is] = [(table.before[index] as number) / n, (table.after[index] as number) / m]
      return is < 0.1 * was && Math.abs(after - was) < 0.3 * was
    })
    const category = feature.categories[table.named[gone] ?? -1]
    findings.push(
      category === undefined
        ? { kind: 'new-category', before, after, text: `${percent(after)} in categories that the reference never saw (${percent(before)} there)` }
        : { kind: 'renamed-category', before, after, category, text: `${percent(after)} in a category that the reference never saw, and ${JSON.stringify(category)} is gone: renamed?` },
    )
  }
  if (test.ordinaryPValue <= level || findings.length + [...test.specialPValues.values()].filter((p) => p <= level).length === 0) {
    findings.push({ kind: 'mix-changed', before: 1, after: 1, text: 'categories come in other shares' })
  }
  return findings
}

/** Higher, lower, or of another shape: by the mean rank of the live rows among the reference's, ½ being no shift. */
const shapeFinding = (table: FeatureTable): Finding => {
  const below = table.special.get('below-range') ?? { before: 0, after: 0 }
  const above = table.special.get('above-range') ?? { before: 0, after: 0 }
  const before = [below.before, ...table.before, above.before]
  const after = [below.after, ...table.after, above.after]
  const n = before.reduce((total, rows) => total + rows, 0)
  const m = after.reduce((total, rows) => total + rows, 0)
  let passed = 0
  let rank = 0
  let spread = 0
  before.forEach((rows, cell) => {
    const middle = (passed + rows / 2) / n
    rank += (middle * (after[cell] as number)) / m
    spread += (Math.abs((after[cell] as number) / m - rows / n)) / 2
    passed += rows
  })
  const lean = rank - 0.5
  // The rank moves by at most half the share of rows that moved; a third of that is a direction.
  if (Math.abs(lean) < spread / 6) return { kind: 'reshaped', before: 1, after: 1, text: 'spread otherwise, without a direction' }
  const direction = lean > 0 ? 'higher' : 'lower'
  return { kind: 'shifted', before: 0.5, after: rank, direction, text: `${direction}: the average row stands where ${percent(rank)} of the reference lies below` }
}
