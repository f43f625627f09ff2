/** Why a prediction came out as it did, stage by stage. */
import type { StoredLabel, StoredOverride } from '../capture/stored-record.js'
import { showIdentity } from '../core/identity.js'
import type { PredictionRecord } from '../core/record.js'
import { mostKept, type Difference } from './difference.js'
import { plainText, shownDifference, shownNumber, shownTime, shownValue } from './shown.js'

/** The stages of a prediction's path, from the caller to the model and back. */
export const stageNames = ['features', 'schema', 'cache', 'route', 'model bytes', 'model', 'batch companions', 'post-processing'] as const
export type StageName = (typeof stageNames)[number]

/** What was found at one stage. */
export interface StageFinding {
  readonly stage: StageName
  readonly status: 'same' | 'differs' | 'not checked'
  /** In one sentence. */
  readonly says: string
  /** The values that differ: as recorded, and as they would be now. */
  readonly differences: readonly Difference[]
}

/** The path that one prediction took: {@link explain}. */
export class Explanation {
  readonly record: PredictionRecord
  /** Every stage, in the order of the path. */
  readonly stages: readonly StageFinding[]
  /** What was said of it later, where the source has it. */
  readonly label: StoredLabel | undefined
  readonly overrides: readonly StoredOverride[]

  /** @internal */
  constructor(record: PredictionRecord, stages: readonly StageFinding[], label: StoredLabel | undefined, overrides: readonly StoredOverride[]) {
    this.record = record
    this.stages = stages
    this.label = label
    this.overrides = overrides
  }

  /** The first stage that differs; `undefined` if none does. */
  get first(): StageFinding | undefined {
    return this.stages.find(({ status }) => status === 'differs')
  }

  /** `differs` if a stage does; `same` if none does; `nothing` if none could be looked at but the schema, and the cache where none answered. */
  get answer(): 'same' | 'differs' | 'nothing' {
    if (this.first !== undefined) return 'differs'
    const { source } = this.record
    const isFromCache = source === 'cache' || source === 'stale' || source === 'coalesced'
    return this.stages.some(({ stage, status }) => status === 'same' && stage !== 'schema' && (stage !== 'cache' || isFromCache)) ? 'same' : 'nothing'
  }

  /** All of it as plain data. */
  toJSON(): Record<string, unknown> {
    const { record, stages, label, overrides, first, answer } = this
    const plain = stages.map((stage) => ({ ...stage, differences: stage.differences.map((one) => ({ ...one, by: Number.isFinite(one.by) ? one.by : null })) }))
    return { kind: 'explanation', version: 1, answer, first: first?.stage ?? null, stages: plain, record, label, overrides }
  }

  /** The explanation for a terminal or a ticket: at most 80 columns, and no character that does anything. */
  text(): string {
    const { record, first } = this
    const { variants, marks, durations, batch, source, outcome, error } = record
    const line = (text: string): string => plainText(text, 80)
    const lines = [
      line(`Prediction ${record.id}`),
      line(`  ${shownTime(record.at)}  ${showIdentity(record.identity)}  ${outcome === 'ok' ? `answered by the ${source === 'model' ? 'model' : source ?? 'model'}` : `${outcome}: ${error?.code ?? error?.name ?? 'no error'}`} in ${shownNumber(durations.totalMs)} ms`),
      ...variants.map(({ split, variant, reason, propensity, epoch }) => line(`  ${split}: ${variant} (${reason}, probability ${shownNumber(propensity)}, epoch ${epoch})`)),
      ...(batch === undefined ? [] : [line(`  row ${batch.index + 1} of ${batch.size} of batch ${batch.id}`)]),
      ...(marks.length === 0 ? [] : [line(`  marks: ${marks.join(', ')}`)]),
      ...(this.label === undefined ? [] : [line(`  label: ${shownValue(this.label.value as never)}, ${shownTime(this.label.at)}`)]),
      ...this.overrides.map(({ actor, reason, at }) => line(`  overridden by ${actor}, ${shownTime(at)}: ${reason}`)),
      '',
      line(first !== undefined ? `First difference: ${first.stage}.` : this.answer === 'same' ? 'Nothing differs.' : 'Nothing was checked beyond cache and schema.'),
    ]
    for (const { stage, status, says, differences } of this.stages) {
      lines.push(...wrapped(`  ${(status === 'differs' ? 'DIFFERS' : status).padEnd(11)}  ${stage.padEnd(16)}  `, says))
      for (const one of differences.slice(0, 5)) lines.push(line(`      ${shownDifference(one)}`))
      if (differences.length > 5) lines.push(`      and ${differences.length - 5} more${differences.length === mostKept ? ' at least' : ''}`)
    }
    return `${lines.join('\n')}\n`
  }
}

/** A sentence behind a head, within 80 columns. */
const wrapped = (head: string, says: string): string[] => {
  const width = 80 - head.length
  const lines: string[] = []
  for (const word of plainText(says).split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word.slice(0, width))
  }
  return lines.map((text, at) => (at === 0 ? head : ' '.repeat(head.length)) + text)
}
