import type { CellPart, DivergencePart, FeatureSplit, MixPart, MixSplit, SegmentPart } from './_divergence-split.js'
import { shown } from './_moved-cells.js'

/** A cause of drift: a cell of a feature, a feature within one segment, or a segment's share of the rows. */
export type RootCause = {
  /** Other features of which the same is true: those that go together with this one, or, of a mix, those that changed by nothing else. */
  readonly with: readonly string[]
  /** In words. */
  readonly text: string
} & (
  | ({ readonly kind: 'cell'; readonly feature: string } & CellPart)
  | ({ readonly kind: 'segment'; readonly feature: string; readonly by: string } & SegmentPart)
  | ({ readonly kind: 'mix'; readonly by: string } & MixPart)
)

/** From where on a cause is one. */
export interface CauseLimits {
  readonly alpha: number
  readonly tolerance: number
  readonly top: number
}

/** Cells told of one feature, and segments of one mix. */
const perPlace = 3
/** A feature of which less than this part is left within the segments changed by their mix. */
const leftByMix = 0.1
/** A segment that holds less than this many times what the others do is no cause beside the feature itself. */
const leastLift = 1.5

const excess = ({ bits, chance }: { readonly bits: number; readonly chance: number }): number => bits - chance
const byExcess = (x: DivergencePart, y: DivergencePart): number => excess(y) - excess(x)
const byText = (x: string, y: string): number => (x < y ? -1 : x > y ? 1 : 0)

/**
 * The significant parts, ranked by bits above chance, each thing told once: what changed everywhere alike as the feature's cell and not again for each
 * segment, what changed by the mix alone as the mix, and features that go together as one.
 *
 * @param groups - by feature of `features`: the name of its group
 */
export const rankedCauses = (features: readonly FeatureSplit[], mixes: readonly MixSplit[], groups: ReadonlyMap<string, string>, { alpha, tolerance, top }: CauseLimits): RootCause[] => {
  const isSure = ({ adjustedPValue, bits, chance }: DivergencePart): boolean => adjustedPValue <= alpha && bits > chance
  const causes: RootCause[] = []
  const mixOf = new Map<string, string[]>()
  const everywhere = new Set<string>()
  const changed = mixes.filter(({ effect, parts }) => effect >= tolerance && parts.some(isSure))

  // Of features that go together the one that changed most speaks for all, in each place.
  const spoken = new Map<string, { readonly lead: string; readonly others: string[] }>()
  const speaks = (place: string, feature: string): readonly string[] | undefined => {
    const key = `${groups.get(feature) ?? feature}\n${place}`
    const known = spoken.get(key)
    if (known === undefined) spoken.set(key, { lead: feature, others: [] })
    else if (known.lead !== feature && !known.others.includes(feature)) known.others.push(feature)
    const entry = spoken.get(key)
    return entry?.lead === feature ? entry.others : undefined
  }
  const ordered = [...features].sort((x, y) => excess(y) - excess(x) || byText(x.feature, y.feature))
  for (const split of ordered) {
    const { feature } = split
    const isChanged = split.effect >= tolerance
    const mix = isChanged ? changed.find(({ by }) => split.bySegment.some((one) => one.by === by && one.within - one.chance < leftByMix * excess(split))) : undefined
    if (mix !== undefined) mixOf.set(mix.by, [...(mixOf.get(mix.by) ?? []), feature])
    const cells = isChanged && mix === undefined ? split.cells.filter(isSure).sort(byExcess).slice(0, perPlace) : []
    if (cells.length > 0) everywhere.add(feature)
    const others = cells.length > 0 ? speaks('', feature) : undefined
    if (others !== undefined) for (const cell of cells) causes.push({ kind: 'cell', feature, ...cell, with: others, text: `${feature} ${cell.cell}: ${change(cell)}, ${percent(cell.share)} of the divergence of ${feature}` })
  }
  const segments = features.flatMap(({ feature, bySegment }) => bySegment.flatMap(({ by, parts }) => parts.filter((one) => isSure(one) && one.effect >= tolerance).map((one) => ({ feature, by, one }))))
  segments.sort((x, y) => byExcess(x.one, y.one) || byText(x.feature, y.feature))
  for (const { feature, by, one } of segments) {
    if (everywhere.has(feature) && one.lift < leastLift) continue
    const others = speaks(`${by}\n${one.segment === null ? '' : JSON.stringify(one.segment)}`, feature)
    if (others !== undefined) causes.push({ kind: 'segment', feature, by, ...one, with: others, text: `${by} ${segmentName(one.segment)}: ${feature} ${one.cell} ${change(one)}, ${percent(one.share)} of the divergence of ${feature} within ${by}` })
  }
  for (const { by, parts } of changed) {
    for (const one of parts.filter(isSure).sort(byExcess).slice(0, perPlace)) {
      causes.push({ kind: 'mix', by, ...one, with: mixOf.get(by) ?? [], text: `${by} ${segmentName(one.segment)}: ${change(one)} of the rows, ${percent(one.share)} of the change of the mix of ${by}` })
    }
  }
  return causes.sort((x, y) => byExcess(x, y) || byText(x.text, y.text)).slice(0, top)
}

const percent = (share: number): string => `${Math.round(100 * share)} %`
const change = ({ before, after }: DivergencePart): string => `${shown(100 * before)} % → ${shown(100 * after)} %`
const segmentName = (segment: string | null): string => segment ?? '(others)'
