/** The stages on the way back: the cache, the model, the rows beside it, and what was made of its answer. */
import type { PredictionRecord } from '../core/record.js'
import { count } from './_input-stages.js'
import type { Again } from './_rerun.js'
import { comparisonOf, differencesOf, type Difference, type limitsOf } from './difference.js'
import { pairsOf } from './first-difference.js'
import type { StageFinding, StageName } from './explanation.js'
import { plainText } from './shown.js'

/** What is known when the answer is looked at. */
export interface AnswerEvidence {
  readonly record: PredictionRecord
  /** The same asked again, alone; or why it was not. */
  readonly now: Again | { readonly why: string }
  /** The rows of its batch that are among the records, in order. */
  readonly batch: readonly PredictionRecord[]
  /** Asks for rows as a batch; or says why not. */
  readonly askTogether: (rows: readonly PredictionRecord[]) => Promise<readonly Again[] | { readonly why: string }>
  readonly limits: ReturnType<typeof limitsOf>
}

const finding = (stage: StageName, status: StageFinding['status'], says: string, differences: readonly Difference[] = []): StageFinding => ({ stage, status, says, differences })

type Way = Pick<PredictionRecord, 'checkpoints' | 'output'>

/** What came out at the places that both ways have, the innermost first, and last what the caller got. A place at which nothing could be compared is none. */
export const outputsOf = (record: PredictionRecord, now: Pick<PredictionRecord, 'checkpoints' | 'output' | 'schema'>, limits: AnswerEvidence['limits']): { readonly name: string; readonly differences: readonly Difference[] }[] => {
  const passed = pairsOf(record.checkpoints, now.checkpoints).filter(([{ side }]) => side === 'output')
  const isShared = record.schema?.output !== undefined && now.schema?.output !== undefined && record.schema.output !== now.schema.output
  const places = passed.map(([was, is]) => ({ name: `checkpoint ${plainText(was.name, 40)}`, ...comparisonOf(was.value, is.value, limits) }))
  if (record.output !== undefined && now.output !== undefined) {
    const output = comparisonOf(record.output, now.output, limits, isShared)
    places.push({ name: output.unshared.length === 0 ? 'the output' : 'the output, in the fields that both schemas have', ...output })
  }
  return places.filter(({ compared }) => compared > 0)
}

/** @param hasOtherBytes - whether what is asked now is not what served then */
export const answerStages = async (evidence: AnswerEvidence, hasOtherBytes: boolean): Promise<StageFinding[]> => {
  const { record, now, limits } = evidence
  const all = (why: string): StageFinding[] => (['cache', 'model', 'batch companions', 'post-processing'] as const).map((stage) => finding(stage, 'not checked', why))
  const [cacheRest, batchRest, postRest] = [finding('cache', 'same', 'no cache answered'), finding('batch companions', 'not checked', 'the model did not answer'), finding('post-processing', 'not checked', 'the model did not answer')]
  if (record.source === 'fallback') return [cacheRest, finding('model', 'differs', `a fallback answered in its place${record.rung === undefined ? '' : `: ${plainText(record.rung.name, 40)}`}`), batchRest, postRest]
  if (record.outcome !== 'ok' && record.outcome !== 'error') return all(`it ended as ${record.outcome}`)
  if ('why' in now) return all(now.why)
  if (now.identity.version !== record.identity.version) return all(`the predictor is version ${now.identity.version}, and version ${record.identity.version} answered`)
  const errors = [record.error, now.error].map((error) => (error === undefined ? undefined : (error.code ?? error.name)))
  if (record.outcome === 'error' || now.outcome !== 'ok') {
    const isSame = errors[0] === errors[1]
    return [cacheRest, finding('model', isSame ? 'same' : 'differs', isSame ? `it fails again with ${errors[0]}` : `recorded ${errors[0] ?? 'an answer'}, now ${errors[1] ?? 'an answer'}`), batchRest, postRest]
  }
  const arrived = pairsOf(record.checkpoints, now.checkpoints).find(([was, is]) => was.side === 'input' && differencesOf(was.value, is.value, limits).length > 0)
  if (arrived !== undefined) return all('what reached the model differs already')
  const [inner, ...outer] = outputsOf(record, now, limits)
  if (inner === undefined) return all(record.output === undefined ? 'no output in the record' : 'no field to compare')
  const isFromCache = record.source === 'cache' || record.source === 'stale' || record.source === 'coalesced'
  const post = postStage(inner.differences.length > 0, outer)
  if (isFromCache) return [cacheStage(record, inner, hasOtherBytes), finding('model', 'not checked', 'a cache answered'), finding('batch companions', 'not checked', 'a cache answered'), post]
  if (inner.differences.length === 0) return [cacheRest, finding('model', 'same', `asked again, it gives the same at ${inner.name}`), finding('batch companions', 'same', record.batch === undefined || record.batch.size === 1 ? 'it was alone' : 'alone it gives the same'), post]
  return [cacheRest, ...(await modelOrBatch(evidence, now, inner, outer.length === 0)), post]
}

const cacheStage = (record: PredictionRecord, inner: ReturnType<typeof outputsOf>[number], hasOtherBytes: boolean): StageFinding => {
  const { status, ageMs, isQuantised } = record.cache ?? {}
  const how = `${status ?? record.source}${ageMs === undefined ? '' : `, ${Math.round(ageMs)} ms old`}${isQuantised === true ? ', shared by near-equal inputs' : ''}`
  if (hasOtherBytes) return finding('cache', 'not checked', `${how}; what is asked now has other bytes`)
  return inner.differences.length === 0 ? finding('cache', 'same', `${how}: as asked directly, at ${inner.name}`) : finding('cache', 'differs', `${how}: not what the model gives when asked directly, at ${inner.name}`, inner.differences)
}

const postStage = (isPartedBefore: boolean, outer: ReturnType<typeof outputsOf>): StageFinding => {
  const stage = 'post-processing'
  if (outer.length === 0) return finding(stage, 'not checked', 'no checkpoint tells it from the model')
  if (isPartedBefore) return finding(stage, 'not checked', 'what came to it differs already')
  const parted = outer.find(({ differences }) => differences.length > 0)
  return parted === undefined ? finding(stage, 'same', `the same at ${count(outer.length, 'further place')}`) : finding(stage, 'differs', `the same came to it, and another one left, at ${parted.name}`, parted.differences)
}

/** The answer is another one alone: is it the model, or the rows beside it? */
const modelOrBatch = async ({ record, batch, askTogether, limits }: AnswerEvidence, now: Again, inner: ReturnType<typeof outputsOf>[number], isWhole: boolean): Promise<[model: StageFinding, batch: StageFinding]> => {
  const otherwise = isWhole ? 'asked again, it gives another answer (or what follows it does: no checkpoint tells them apart)' : `asked again, it gives another answer at ${inner.name}`
  const model = finding('model', 'differs', otherwise, inner.differences)
  const size = record.batch?.size ?? 1
  if (size === 1) return [model, finding('batch companions', 'same', 'it was alone')]
  // Rows that a cache answered did not travel with the others.
  const rows = batch.filter((row) => row.attempts > 0)
  const answers = await askTogether(rows)
  if ('why' in answers) return [model, finding('batch companions', 'not checked', answers.why)]
  const at = rows.findIndex(({ batch: place }) => place?.index === record.batch?.index)
  const isLike = (answer: Again | undefined): boolean => answer !== undefined && answer.outcome === 'ok' && outputsOf(record, answer, limits)[0]?.differences.length === 0
  const notIt = finding('model', 'same', 'with the rows of its batch it gives what was recorded')
  if (batch.length === size && isLike(answers[at])) return [notIt, finding('batch companions', 'differs', `alone another answer; among its ${size} rows the recorded one`, inner.differences)]
  // Labels are shared by many rows; a number is not.
  const others = hasNumber(now) ? answers.flatMap((answer, index) => (index !== at && isLike(answer) ? [index] : [])) : []
  if (others.length === 1) return [finding('model', 'same', 'the recorded answer is that of another row'), finding('batch companions', 'differs', `it got the answer of row ${((rows[others[0] as number] as PredictionRecord).batch?.index as number) + 1} of its ${size}`, inner.differences)]
  if (batch.length < size) {
    const some = `only ${batch.length} of its ${size} rows are among the records`
    const leans = answers[at] !== undefined && outputsOf({ ...record, ...now } as PredictionRecord, answers[at] as Again, limits)[0]?.differences
    if (leans !== undefined && leans !== false && leans.length > 0) return [finding('model', 'same', 'its answer depends on the rows beside it'), finding('batch companions', 'differs', `alone another answer than among other rows; ${some}`, inner.differences)]
    return [finding('model', 'differs', `${otherwise}, or the rows beside it made it so`, inner.differences), finding('batch companions', 'not checked', some)]
  }
  return [model, finding('batch companions', 'same', `with its ${size} rows it is not the recorded one either`)]
}

const hasNumber = ({ checkpoints, output }: Way): boolean => [...checkpoints.filter(({ side }) => side === 'output').slice(0, 1).map(({ value }) => value), ...(output === undefined ? [] : [output])].some((value) => Object.values(value).flat(3).some((one) => typeof one === 'number'))

