import type { Schema } from '../schema/schema.js'
import { FieldRowJudge } from './_row-judge.js'

/** The rules of a schema that a row breaks, as `validated` would mark them: `range km`, `missing carrier`. */
export const brokenRules = (schema: Schema, row: unknown): string[] =>
  (new FieldRowJudge(schema, { otherwise: 'flag' }).judge(row, { now: () => 0, threw: () => {} })?.findings ?? []).map(({ rule, subject }) => `${rule} ${subject}`)
