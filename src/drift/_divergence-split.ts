import { jensenShannonDistance } from '../stats/jensen-shannon.js'
import { cellGroups, grouped, groupedTable } from './_cell-groups.js'
import { divergence, sharePValue, type Divergence } from './_divergence.js'
import { featureTable, sum } from './_feature-table.js'
import { featureTest } from './_feature-test.js'
import type { SegmentPair } from './_segment-counts.js'
import type { FeatureKind, FeatureRole } from './feature-cells.js'
import type { LiveProfile } from './live-profile.js'
import type { FeatureProfile } from './reference-profile.js'

/** One part of a divergence. */
export interface DivergencePart {
  /** Share of the reference's rows that it is about, in [0, 1]; `NaN` without rows. */
  readonly before: number
  /** Share of the live rows. */
  readonly after: number
  /** Its part of the divergence, in bits per row of both periods. Never negative. */
  readonly bits: number
  /** What of that chance alone shows on average. */
  readonly chance: number
  /** Its share of what is split; all shares of a split sum to 1. 0 if nothing is. */
  readonly share: number
  /** Jensen–Shannon distance (base 2, chance taken off): how much it changed in itself, whatever its weight. */
  readonly effect: number
  /** `NaN` if there were too few rows for a test. */
  readonly pValue: number
  /** After Holm's correction over all parts of the report that were tested. */
  readonly adjustedPValue: number
}

/** A cell of a feature: a range, a category, missing, unseen… Its share is of the feature's divergence. */
export interface CellPart extends DivergencePart {
  readonly cell: string
}

/** What changed of a feature within one segment. `before` and `after` are of the cell there that tells most; the share is of all segments' `within`. */
export interface SegmentPart extends DivergencePart {
  /** `null`: the segments without counts of their own. */
  readonly segment: string | null
  readonly cell: string
  readonly rows: { readonly before: number; readonly after: number }
  /** How many times as much a row of it holds as a row of the other segments, chance taken off; 1 if all rows are in it, at most 1000 (the others hold nothing). */
  readonly lift: number
}

/** How the rows are spread over the segments: one segment's part of the change. */
export interface MixPart extends DivergencePart {
  readonly segment: string | null
}

/** The change of a mix of segments, and its parts. */
export interface MixSplit {
  /** The name of the segmentation. */
  readonly by: string
  readonly bits: number
  readonly chance: number
  readonly effect: number
  readonly parts: readonly MixPart[]
}

/** The divergence of segment and cell together, which is `mix` plus `within`. */
export interface SegmentSplit {
  readonly by: string
  readonly bits: number
  /** Of this feature's rows over the segments. */
  readonly mix: number
  /** Of its cells within the segments: the sum of `parts`. */
  readonly within: number
  /** What of `within` chance alone shows on average. */
  readonly chance: number
  readonly parts: readonly SegmentPart[]
}

/** A feature's divergence and its parts. */
export interface FeatureSplit {
  readonly feature: string
  readonly role: FeatureRole
  readonly kind: FeatureKind
  readonly rows: { readonly before: number; readonly after: number }
  /** The sum of `cells`. */
  readonly bits: number
  readonly chance: number
  /** As in `driftVerdict`: Jensen–Shannon distance, chance taken off. `NaN` without rows. */
  readonly effect: number
  /** As there, of this feature alone. */
  readonly pValue: number
  readonly cells: readonly CellPart[]
  /** One for each segmentation. */
  readonly bySegment: readonly SegmentSplit[]
}

/** A way to cut the rows into segments. */
export interface Segmentation {
  readonly by: string
  readonly pairs: readonly SegmentPair[]
}

/** Beyond it a lift says no more; `Infinity` would not survive JSON. */
const mostLift = 1000

/** From G to bits per row. */
const perRow = ({ n, m }: { readonly n: number; readonly m: number }): number => (n + m === 0 ? 0 : 1 / (2 * (n + m) * Math.LN2))
const part = (of: number, whole: number): number => (whole > 0 ? of / whole : 0)

/** The parts of two samples over the same cells, each against the rest. */
const partsOf = (before: readonly number[], after: readonly number[], minimumRows: number): { readonly whole: Divergence; readonly parts: DivergencePart[] } => {
  const whole = divergence(before, after)
  const { n, m, g } = whole
  const parts = whole.parts.map((own, cell): DivergencePart => {
    const [was, is] = [before[cell] as number, after[cell] as number]
    const isTested = Math.min(n, m) >= minimumRows && was + is > 0
    return {
      before: was / n,
      after: is / m,
      bits: own.g * perRow(whole),
      chance: own.chance * perRow(whole),
      share: part(own.g, g),
      effect: jensenShannonDistance([was, n - was], [is, m - is], { corrected: true }),
      pValue: isTested ? sharePValue(was, is, n, m) : NaN,
      adjustedPValue: NaN,
    }
  })
  return { whole, parts }
}

/** How the rows' mix of segments changed. */
export const splitMix = ({ by, pairs }: Segmentation, minimumRows: number): MixSplit => {
  const [before, after] = [pairs.map((pair) => pair.before.rows), pairs.map((pair) => pair.after.rows)]
  const { whole, parts } = partsOf(before, after, minimumRows)
  return {
    by,
    bits: whole.g * perRow(whole),
    chance: whole.chance * perRow(whole),
    effect: jensenShannonDistance(before, after, { corrected: true }),
    parts: parts.map((one, index) => ({ segment: pairs[index]?.segment ?? null, ...one })),
  }
}

/** Splits the divergence of the profile's feature number `index` over its cells, and over segments. */
export const splitFeature = (feature: FeatureProfile, index: number, live: LiveProfile, segmentations: readonly Segmentation[], minimumRows: number): FeatureSplit => {
  const table = featureTable(feature, live.cells(index), live.magnitudes(index))
  const groups = cellGroups(table)
  const test = Math.min(table.n, table.m) >= minimumRows ? featureTest(table) : undefined
  const { whole, parts } = partsOf(grouped(groups, feature.counts), grouped(groups, live.cells(index)), minimumRows)

  const bySegment = segmentations.map(({ by, pairs }): SegmentSplit => {
    const sides = pairs.map((pair) => ({ before: grouped(groups, pair.before.cells(index)), after: grouped(groups, pair.after.cells(index)) }))
    const mix = divergence(sides.map(({ before }) => sum(before)), sides.map(({ after }) => sum(after)))
    const splits = sides.map(({ before, after }) => divergence(before, after))
    const within = splits.reduce((total, { g }) => total + g, 0)
    const chance = splits.reduce((total, split) => total + split.chance, 0)
    const excess = (split: { readonly g: number; readonly chance: number }): number => Math.max(0, split.g - split.chance)
    const scale = perRow(mix)
    return {
      by,
      bits: (mix.g + within) * scale,
      mix: mix.g * scale,
      within: within * scale,
      chance: chance * scale,
      parts: splits.map((split, at): SegmentPart => {
        const { n, m, g } = split
        const { before, after } = sides[at] as (typeof sides)[number]
        const tested = Math.min(n, m) >= minimumRows ? featureTest(groupedTable(groups, before, after, n, m)) : undefined
        const telling = split.parts.reduce((most, own, cell) => (own.g > (split.parts[most]?.g ?? 0) ? cell : most), 0)
        const otherRows = mix.n + mix.m - n - m
        const others = excess({ g: within - g, chance: chance - split.chance }) / otherRows
        const own = excess(split) / (n + m)
        return {
          segment: pairs[at]?.segment ?? null,
          cell: groups.names[telling] ?? '',
          before: (before[telling] ?? NaN) / n,
          after: (after[telling] ?? NaN) / m,
          rows: { before: n, after: m },
          bits: g * scale,
          chance: split.chance * scale,
          share: part(g, within),
          lift: own === 0 ? 0 : otherRows === 0 ? 1 : Math.min(mostLift, own / others),
          effect: tested?.distance ?? NaN,
          pValue: tested?.pValue ?? NaN,
          adjustedPValue: NaN,
        }
      }),
    }
  })
  return {
    feature: feature.name,
    role: feature.role,
    kind: feature.kind,
    rows: { before: table.n, after: table.m },
    bits: whole.g * perRow(whole),
    chance: whole.chance * perRow(whole),
    effect: test?.distance ?? NaN,
    pValue: test?.pValue ?? NaN,
    cells: parts.map((one, cell) => ({ cell: groups.names[cell] ?? '', ...one })),
    bySegment,
  }
}
