/** What the page shows of drift: the verdict, and how the reference and the present are spread. */
import type { DriftHandle } from '../drift/drift-monitor.js'
import { driftVerdict } from '../drift/drift-verdict.js'
import { featureDistribution } from '../drift/feature-distribution.js'
import type { SlicedProfile } from '../drift/sliced-profile.js'
import type { DriftData, DriftFeatureData } from './dashboard-data.js'

/** More is not readable, and the worst come first. */
const mostFeatures = 60
const mostCells = 16
/** Each segment has a verdict of its own, of 50 to 90 µs for each feature. */
const mostSegmentVerdicts = 300

/** The cells with most rows, in their order, and the rest as one. */
const readable = (cells: DriftFeatureData['cells']): DriftFeatureData['cells'] => {
  if (cells.length <= mostCells) return cells
  const least = cells.map(({ before, after }) => before + after).sort((a, b) => b - a)[mostCells - 1] as number
  const shown = cells.filter(({ before, after }) => before + after >= least).slice(0, mostCells - 1)
  const rest = (side: 'before' | 'after'): number => Math.max(0, cells.reduce((sum, cell) => sum + cell[side], 0) - shown.reduce((sum, cell) => sum + cell[side], 0))
  return [...shown, { cell: `${cells.length - shown.length} others`, before: rest('before'), after: rest('after') }]
}

export const driftData = (name: string, monitor: Pick<DriftHandle, 'state' | 'verdict' | 'live'>, segments: SlicedProfile | undefined): DriftData => {
  const verdict = monitor.verdict()
  const live = monitor.live()
  const places = new Map(live.reference.features.map((feature, index) => [feature.name, index]))
  return {
    name,
    state: monitor.state,
    rows: verdict.rows,
    rowsNeeded: verdict.rowsNeeded,
    referenceRows: verdict.referenceRows,
    tolerance: verdict.tolerance,
    features: verdict.features.slice(0, mostFeatures).map(({ feature, state, rows, effect, adjustedPValue, findings }) => ({
      feature,
      state,
      rows,
      effect: effect.value,
      adjustedPValue,
      findings: findings.map((finding) => finding.text),
      cells: rows === 0 ? [] : readable(featureDistribution(live, places.get(feature) as number)),
    })),
    segments: (segments?.segments ?? []).slice(0, Math.ceil(mostSegmentVerdicts / verdict.features.length)).map((segment) => {
      const own = driftVerdict((segments as SlicedProfile).reference, (segments as SlicedProfile).window({ segment }))
      return { segment, state: own.state, rows: own.rows, drifted: own.features.filter((one) => one.state === 'drifted').map(({ feature }) => feature) }
    }),
  }
}
