import { featureTable } from './_feature-table.js'
import { shownCells, type CellChange } from './_moved-cells.js'
import type { LiveProfile } from './live-profile.js'
import type { FeatureProfile } from './reference-profile.js'

/**
 * How the rows of a feature are spread, in the reference and now: numbers in about ten ranges, in order; categories; then missing values and the like.
 *
 * @param feature - its place in `live.reference.features`
 * @example
 * ```ts
 * import { featureDistribution, LiveProfile, referenceProfile } from 'outrigger/drift'
 * const live = new LiveProfile(referenceProfile(Array.from({ length: 100 }, (_, i) => ({ city: ['Oslo', 'Rome'][i % 2] }))))
 * for (let i = 0; i < 10; i += 1) live.count({ city: 'Rome' })
 * assert.deepEqual(featureDistribution(live, 0).slice(0, 2), [{ cell: '"Oslo"', before: 0.5, after: 0 }, { cell: '"Rome"', before: 0.5, after: 1 }])
 * ```
 */
export const featureDistribution = (live: LiveProfile, feature: number): CellChange[] =>
  shownCells(featureTable(live.reference.features[feature] as FeatureProfile, live.cells(feature), live.magnitudes(feature)))
