/** The stages before the model is asked: what was served as features, whether it was valid, and what was made of it. */
import { maskBy, schemaId, type MaskableSchema } from '../core/masking.js'
import type { PredictionRecord } from '../core/record.js'
import { brokenRules } from '../quality/broken-rules.js'
import { defineSchema, type Field } from '../schema/schema.js'
import { failureOf } from './_failure.js'
import type { Again } from './_rerun.js'
import { comparisonOf, differencesOf, type limitsOf } from './difference.js'
import { pairsOf } from './first-difference.js'
import type { StageFinding } from './explanation.js'
import { isGuarded, recordedFields } from './rebuilt-input.js'

type Limits = ReturnType<typeof limitsOf>

/** Features as they were served, against the same computed again. */
export const featuresStage = async (record: PredictionRecord, schema: MaskableSchema | undefined, recompute: ((record: PredictionRecord) => unknown) | undefined, limits: Limits): Promise<StageFinding> => {
  const stage = 'features'
  const skip = (why: string): StageFinding => ({ stage, status: 'not checked', says: why, differences: [] })
  if (recompute === undefined) return skip('no function computes them again')
  if (record.input === undefined) return skip('no input in the record')
  let fields: unknown
  try {
    fields = await recompute(record)
  } catch (error) {
    return skip(`\`features\` failed with ${failureOf(error)}`)
  }
  if (fields === undefined || fields === null || typeof fields !== 'object') return skip('`features` gave none for it')
  const names = Object.keys(fields)
  // Where nobody says what may be shown, what the record shows may be.
  const visible = maskBy(schema ?? { fields: Object.fromEntries(Object.keys(record.input).map((name) => [name, {}])) })(fields)
  const served = Object.fromEntries(Object.entries(record.input).filter(([name]) => names.includes(name)))
  const { differences, fields: parted, compared } = comparisonOf(served, visible, limits)
  if (compared === 0) return skip('`features` gave no field that the record may have')
  return differences.length === 0 ? { stage, status: 'same', says: `${count(compared, 'field')} as computed again`, differences } : { stage, status: 'differs', says: `served otherwise than computed again, in ${parted.size} of ${count(compared, 'field')}`, differences }
}

/** Whether what came in is valid, what was put in its place, and whether the same reaches the places inside. */
export const schemaStage = (record: PredictionRecord, schema: MaskableSchema | undefined, now: Again | undefined, limits: Limits): StageFinding => {
  const stage = 'schema'
  const typed = schema === undefined ? undefined : typedFields(schema)
  const broken = typed === undefined || record.input === undefined ? [] : brokenRules(defineSchema(typed), recordedFields(record, { fields: typed }))
  const marks = record.marks.filter((mark) => /^(?:imputed|clipped|flagged|rejected|fallback):/.test(mark))
  const pairs = now === undefined ? [] : pairsOf(record.checkpoints, now.checkpoints).filter(([was, is]) => was.side === 'input' && comparisonOf(was.value, is.value, limits).compared > 0)
  const says: string[] = []
  if (broken.length > 0) says.push(`breaks ${broken.join(', ')}`)
  if (marks.length > 0) says.push(`marked ${marks.join(', ')}`)
  const parted = pairs.map(([was, is]) => ({ name: was.name, differences: differencesOf(was.value, is.value, limits) })).find(({ differences }) => differences.length > 0)
  if (parted !== undefined) says.push(`another input reached checkpoint ${parted.name}`)
  if (says.length > 0) return { stage, status: 'differs', says: says.join('; '), differences: parted?.differences ?? [] }
  const checked = [...(typed === undefined || record.input === undefined ? [] : ['valid']), ...(pairs.length === 0 ? [] : [`the same reached ${count(pairs.length, 'checkpoint')}`])]
  if (checked.length === 0) return { stage, status: 'not checked', says: record.input === undefined ? 'no input in the record' : 'no schema with types', differences: [] }
  const isOther = record.schema?.input !== undefined && schema !== undefined && record.schema.input !== schemaId(schema)
  return { stage, status: 'same', says: `${checked.join(', ')}${isOther ? ' (the schema was another one then)' : ''}`, differences: [] }
}

const typedFields = (schema: MaskableSchema): Readonly<Record<string, Field>> | undefined => {
  const fields = Object.entries(schema.fields).filter(([name]) => !isGuarded(schema, name))
  return fields.length > 0 && fields.every(([, { type }]) => type !== undefined) ? (Object.fromEntries(fields) as Record<string, Field>) : undefined
}

export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`
