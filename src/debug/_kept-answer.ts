/** An answer of a cache is as right as what was put in: then its way is that of the prediction that put it there. */
import type { PredictionRecord } from '../core/record.js'
import { outputsOf } from './_output-stages.js'
import { differencesOf, type limitsOf } from './difference.js'
import type { StageFinding } from './explanation.js'
import { plainText } from './shown.js'

/**
 * What is known of a cached answer that the model would not give, once the prediction is found from which it was kept.
 *
 * @param findings - of the cached answer; `theirs` of the one that it was kept from
 */
export const throughFill = (findings: readonly StageFinding[], record: PredictionRecord, fill: PredictionRecord, theirs: readonly StageFinding[], limits: ReturnType<typeof limitsOf>): readonly StageFinding[] => {
  const from = `kept of ${plainText(fill.id, 40)}`
  const replace = (stages: readonly StageFinding[], cache: Partial<StageFinding>): StageFinding[] => stages.map((one) => (one.stage === 'cache' ? { ...one, ...cache } : one))
  const cache = findings.find(({ stage }) => stage === 'cache') as StageFinding
  const inputs = record.input === undefined || fill.input === undefined ? [] : differencesOf(fill.input, record.input, limits)
  if (inputs.length > 0) return replace(findings, { says: `${cache.says}; ${from}, whose input was another in ${inputs.map(({ path }) => path).join(', ')}` })
  const [answer] = outputsOf(record, fill, limits)
  if (answer === undefined) return replace(findings, { says: `${cache.says}; ${from}` })
  if (answer.differences.length > 0) return replace(findings, { says: `${cache.says}; ${from}, which got another one` })
  const cause = theirs.find(({ status }) => status === 'differs')
  if (cause === undefined) return replace(findings, { says: `${cache.says}; ${from}` })
  const through = findings.map((one) => (one.stage === cause.stage ? { ...cause, says: `${cause.says} (of ${plainText(fill.id, 40)}, from which it was kept)` } : one))
  return replace(through, { status: 'same', says: `as ${from}`, differences: [] })
}
