import type { Binding, Call } from '../core/call.js'
import { InvalidOptionError } from '../core/errors.js'
import { applyLayer, type LayerHost } from '../core/layer.js'
import { toError } from '../core/model.js'
import { numberOption, optionsObject, stringOption } from '../core/options.js'
import type { Predictor } from '../core/predictor.js'
import { RowFailure, type Row } from '../core/rows.js'
import { ReferenceProfile } from '../drift/reference-profile.js'
import { defineSchema, type Schema } from '../schema/schema.js'
import type { InferInput, InferOutput, StandardSchema } from '../schema/standard-schema.js'
import { QualityCounter, type QualityCounts, type QualityWindow } from './_quality-counts.js'
import { brokenRow, FieldRowJudge, type RowJudge, type RowVerdict } from './_row-judge.js'
import type { RowContext } from './_row-rules.js'
import { StandardRowJudge } from './_standard-judge.js'
import type { ValidationPolicy } from './validation-policy.js'

/** What can be read of a validation. */
export interface ValidatedHandle {
  readonly counts: QualityCounts
  /** `dirty` while too many rows break rules; see `alarm`. */
  readonly state: 'ok' | 'dirty'
}

/** {@link validated} for any predictor: nothing in its policy looks at rows by type. */
export interface ValidatedLayer extends ValidatedHandle {
  <I, O>(inner: Predictor<I, O>): Predictor<I, O>
}

/** {@link validated} with checks or an `entity` of its own: it fits predictors of such rows. */
export interface TypedValidatedLayer<I> extends ValidatedHandle {
  <O>(inner: Predictor<I, O>): Predictor<I, O>
}

/** {@link validated} by a Standard Schema: callers give what it takes, the model gets what it makes. */
export interface SchemaValidatedLayer<I2, I> extends ValidatedHandle {
  <O>(inner: Predictor<I, O>): Predictor<I2, O>
}

/** A policy without functions of rows. */
export type UntypedPolicy = ValidationPolicy<never> & { readonly checks?: undefined; readonly entity?: undefined }

const owner = 'a validation'
const known = ['otherwise', 'rules', 'fields', 'reference', 'checks', 'fresh', 'monotone', 'outliers', 'entity', 'maxEntities', 'alarm', 'name'] as const

interface Judged extends Binding {
  readonly verdict: RowVerdict | undefined | Promise<RowVerdict | undefined>
}

/**
 * Checks each row before the model sees it, and does about a bad one what the policy says: reject it, put a fitted value in, clip
 * it, flag it, or leave it to the fallback.
 *
 * The schema is one of `defineSchema`, of `schemaOf(reference)`, or any Standard Schema (zod, valibot, arktype), synchronous or not. Order: fields one
 * by one, with their repairs; then, on the repaired row, checks over several fields, freshness, `monotone`, joint outliers. A row
 * that fails does so alone: the rest of its batch goes on. Inputs are never changed; a repaired row is a copy.
 *
 * Records say what happened by marks (`imputed:km`, `flagged:range km`), `counts` how often, and a share of bad rows
 * above `alarm` is a `state` event. The errors have `findings`. A value of a field tagged as `pii`, `secret` or `key` is in no message.
 *
 * Put it outside of `retry` and `cached`, inside of `fallback`. A good row of 20 fields costs about 0.6 µs; nothing is allocated.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` for a policy that cannot work, such as a median without a reference
 * @example
 * ```ts
 * import { pipe } from 'outrigger'
 * import { referenceProfile } from 'outrigger/drift'
 * import { schemaOf, validated } from 'outrigger/quality'
 * const reference = referenceProfile(Array.from({ length: 1001 }, (_, i) => ({ km: i, carrier: i % 2 === 0 ? 'AA' : 'DL' })))
 * const quality = validated(schemaOf(reference), { reference, fields: { km: { missing: { impute: 'median' }, range: 'clip' } } })
 * const predict = pipe((flight: { km: number | null; carrier: string }) => flight.km! / 800, quality)
 * assert.equal(Math.round((await predict({ km: null, carrier: 'AA' })) * 800), 500)
 * await assert.rejects(predict({ km: 10, carrier: 'ZZ' }), { code: 'ERR_OUTRIGGER_INVALID_INPUT' })
 * assert.deepEqual(quality.counts.by, { 'missing km': 1, 'category carrier': 1 })
 * ```
 */
export function validated(schema: Schema, policy?: UntypedPolicy): ValidatedLayer
export function validated<I>(schema: Schema, policy: ValidationPolicy<I>): TypedValidatedLayer<I>
export function validated<S extends StandardSchema>(schema: S, policy?: ValidationPolicy<InferOutput<S>>): SchemaValidatedLayer<InferInput<S>, InferOutput<S>>
export function validated<I, I2 = I>(schema: Schema | StandardSchema, policy: ValidationPolicy<I> = {}): SchemaValidatedLayer<I2, I> {
  optionsObject(owner, policy, known)
  const { name = 'input', alarm = {}, reference } = policy
  stringOption(owner, 'name', name)
  optionsObject(`\`alarm\` of ${owner}`, alarm, ['share', 'rows'])
  const share = numberOption(owner, 'alarm.share', alarm.share ?? 0.1, { min: 0, max: 1 })
  const counter = new QualityCounter(numberOption(owner, 'alarm.rows', alarm.rows ?? 1000, { min: 1, integer: true, infinite: true }))
  if (reference !== undefined && !(reference instanceof ReferenceProfile)) throw new InvalidOptionError(`Cannot create ${owner} as \`reference\` must be a ReferenceProfile (read a saved one with parseReferenceProfile): current value is of type ${typeof reference}`)
  const judge = judgeOf(schema, policy as ValidationPolicy<never>)
  const isForeign = judge instanceof StandardRowJudge
  const hosts = new Set<LayerHost>()
  const told = new Set<string>()
  let state: 'ok' | 'dirty' = 'ok'

  const count = (verdict: RowVerdict | undefined): void => {
    const window = counter.add(verdict?.findings ?? [])
    if (window === undefined) return
    const bad = window.dirty / window.rows
    const to = bad > share ? 'dirty' : bad <= share / 2 ? 'ok' : state
    const from = state
    // First, so that whoever is told and asks sees it.
    state = to
    if (to === from) return
    for (const host of hosts) host.emit({ type: 'state', subject: name, from, to, reason: reasonOf(window), data: { ...window } })
  }

  const wrap = <O>(inner: Predictor<I, O>): Predictor<I2, O> =>
    applyLayer<I, O, I2, O>(inner, 'validated', (host, inside) => {
      hosts.add(host)
      const context: RowContext = {
        now: () => host.clock.wall(),
        threw: (what, error) => {
          // Once each: a check that throws for one row may for all.
          if (told.has(what)) return
          told.add(what)
          host.emit({ type: 'notice', message: `\`${what}\` threw, or returned what it must not: such a check counts as failed, and nothing is remembered of rows without an entity. Further ones are not told.`, error })
        },
      }
      const look = (input: I2): RowVerdict | undefined | Promise<RowVerdict | undefined> => {
        let verdict: RowVerdict | undefined | Promise<RowVerdict | undefined>
        try {
          verdict = judge.judge(input, context)
        } catch (error) {
          verdict = brokenRow(error)
        }
        if (!(verdict instanceof Promise)) {
          count(verdict)
          return verdict
        }
        const later = async (pending: Promise<RowVerdict | undefined>): Promise<RowVerdict | undefined> => {
          const settled = await pending
          count(settled)
          return settled
        }
        return later(verdict)
      }

      // Where a router inside looks at the input, the row is judged when the call is bound, once, and the verdict goes with the call.
      const { bind } = inside
      const bindsByInput = bind !== undefined && inside.bindsByInput === true
      const key = {}
      const verdictOf = (input: I2, call: Call): RowVerdict | undefined | Promise<RowVerdict | undefined> => {
        const judged = bindsByInput ? call.boundBy<Judged>(key) : undefined
        return judged === undefined ? look(input) : judged.verdict
      }
      const bindLate = (row: unknown, call: Call): void => {
        if (bindsByInput) bind(call, row as I)
      }

      return {
        trusted: true,
        describe: () => `validated ${name}`,
        ...(isForeign ? { schema: { output: inside.schema.output } } : {}),
        one: (next, input, call) => {
          const verdict = verdictOf(input, call)
          if (verdict === undefined) return next(input as unknown as I, call)
          if (!(verdict instanceof Promise)) return go(next, verdict, call)
          const later = async (): Promise<O> => {
            const settled = (await verdict) ?? { row: input, findings: [], refusal: undefined }
            if (settled.refusal === undefined) bindLate(settled.row, call)
            return await go(next, settled, call)
          }
          return later()
        },
        many: async (next, inputs, batch) => {
          let verdicts: (RowVerdict | undefined)[] | undefined
          let waits: Promise<void>[] | undefined
          for (let index = 0; index < inputs.length; index += 1) {
            const input = inputs[index] as I2
            const call = batch.rows[index] as Call
            const verdict = verdictOf(input, call)
            if (verdict === undefined) continue
            const kept = (verdicts ??= new Array<RowVerdict | undefined>(inputs.length).fill(undefined))
            if (!(verdict instanceof Promise)) kept[index] = verdict
            else {
              const wait = async (): Promise<void> => {
                const settled = await verdict
                kept[index] = settled
                try {
                  if (settled?.refusal === undefined) bindLate(settled === undefined ? input : settled.row, call)
                } catch (error) {
                  // A router that finds no variant for a row fails that row alone.
                  kept[index] = { row: undefined, findings: settled?.findings ?? [], refusal: toError(error) as Error }
                }
              }
              ;(waits ??= []).push(wait())
            }
          }
          if (waits !== undefined) await Promise.all(waits)
          if (verdicts === undefined) return await next(inputs as unknown as readonly I[], batch)
          const rows = new Array<Row<O>>(inputs.length)
          const good: number[] = []
          const going: I[] = []
          for (let index = 0; index < inputs.length; index += 1) {
            const verdict = verdicts[index]
            if (verdict !== undefined) note(batch.rows[index] as Call, verdict)
            if (verdict?.refusal !== undefined) rows[index] = new RowFailure(verdict.refusal)
            else {
              good.push(index)
              going.push((verdict === undefined ? inputs[index] : verdict.row) as I)
            }
          }
          if (good.length === 0) return rows
          const answers = await next(going, good.length === inputs.length ? batch : batch.pick(good))
          if (good.length === inputs.length) return answers
          good.forEach((index, position) => (rows[index] = answers[position] as Row<O>))
          return rows
        },
        bindInside: !bindsByInput
          ? undefined
          : (call, input) => {
              const verdict = look(input)
              call.bindTo({ owner: key, identity: inside.identity, verdict, retain: nothing, release: nothing } satisfies Judged as Judged)
              if (verdict instanceof Promise) bind(call, undefined as never)
              else if (verdict?.refusal === undefined) bind(call, (verdict === undefined ? input : verdict.row) as I)
            },
        close: () => void hosts.delete(host),
      }
    })

  return Object.defineProperties(wrap, {
    counts: { get: (): QualityCounts => counter.counts },
    state: { get: () => state },
  }) as unknown as SchemaValidatedLayer<I2, I>
}

const nothing = (): void => {}

const go = <I, O>(next: (input: I, call: Call) => Promise<O>, verdict: RowVerdict, call: Call): Promise<O> => {
  note(call, verdict)
  return verdict.refusal === undefined ? next(verdict.row as I, call) : Promise.reject(verdict.refusal)
}

/** Says in the record what became of the row. Repairs are named by their field alone, all else with the rule. */
const note = (call: Call, { findings }: RowVerdict): void => {
  for (const { rule, subject, action } of findings) call.mark(action === 'imputed' || action === 'clipped' ? `${action}:${subject}` : `${action}:${rule} ${subject}`)
}

const judgeOf = (schema: Schema | StandardSchema, policy: ValidationPolicy<never>): RowJudge => {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) throw new InvalidOptionError(`Cannot create ${owner} as it needs a schema: current value is of type ${typeof schema}`)
  if ('~standard' in schema) return new StandardRowJudge(schema, policy)
  optionsObject('a schema', schema, ['fields'])
  return new FieldRowJudge(defineSchema(schema.fields), policy)
}

const reasonOf = ({ rows, dirty, by }: QualityWindow): string => {
  const [worst] = Object.entries(by).sort(([, a], [, b]) => b - a)
  return `${dirty} of ${rows} rows broke a rule${worst === undefined ? '' : `; most often ${worst[0]}, ${worst[1]} times`}.`
}
