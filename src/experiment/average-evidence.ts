import { refusedInput } from './_state.js'

/**
 * The mean of e-values, which is one again whatever the dependence between them: the evidence of several processes that may have seen the same units.
 *
 * Valid at each look that was fixed beforehand. For k processes that are looked at after every event it is a theorem only at the level k·α, since one
 * process's past may tell another's future; if each of them serves units of its own, it holds at α, and adding (`mergeSharded`) finds more. Costs k times the evidence when only one process has any.
 *
 * Source: Vovk and Wang, "E-values: calibration, combination and applications" (2021); Choe and Ramdas (2024), for looks at any time.
 *
 * @param evidences - at least one, each at least 0
 * @throws ERR_OUTRIGGER_INVALID_INPUT
 * @example
 * ```ts
 * import { averageEvidence } from 'outrigger/experiment'
 * assert.equal(averageEvidence([1, 0.5, 300]), 100.5)
 * ```
 */
export const averageEvidence = (evidences: readonly number[]): number => {
  if (evidences.length === 0) throw refusedInput('average evidence', 'there must be some', 'none')
  for (const evidence of evidences) if (!(evidence >= 0)) throw refusedInput('average evidence', 'an e-value must be at least 0', evidence)
  return evidences.reduce((sum, evidence) => sum + evidence, 0) / evidences.length
}
