/** What predictors of several stages have in common: binding, identity, keys, events, closing. */
import { createHash } from 'node:crypto'
import type { BatchCall } from '../core/batch-call.js'
import type { Binding, Call } from '../core/call.js'
import { OutriggerError } from '../core/errors.js'
import { EventHub } from '../core/events.js'
import type { ModelIdentity } from '../core/identity.js'
import { claim, isPredictor, predictorOver, type Claim, type Predictor } from '../core/predictor.js'
import { isRowFailure, pick, RowFailure, type Row } from '../core/rows.js'
import type { Runtime } from '../core/runtime.js'
import { saysAnew, type Stage, type StageSchema } from '../core/stage.js'
import { discardStream, isStream } from '../core/streams.js'

/** Says of a call that it could not be bound to one part, which need not trouble the others. */
interface FailedBinding extends Binding {
  readonly error: unknown
}

/** One of several stages. What goes wrong with it stays with it. */
export class Part<I> {
  readonly name: string
  readonly stage: Stage<I, unknown>
  readonly closers: Claim<I, unknown>['closers']

  constructor(name: string, { stage, closers }: Claim<I, unknown>) {
    this.name = name
    this.stage = stage
    this.closers = closers
  }

  bind(call: Call, input: I): void {
    try {
      this.stage.bind?.(call, input)
    } catch (error) {
      // It fails where it arrives.
      const failed: FailedBinding = { owner: this, identity: this.stage.identity, error, retain: nothing, release: nothing }
      call.bindTo(failed)
    }
  }

  async one(input: I, call: Call): Promise<unknown> {
    const failed = call.boundBy<FailedBinding>(this)
    if (failed !== undefined) throw failed.error
    return await this.stage.one(input, call)
  }

  async many(inputs: readonly I[], batch: BatchCall): Promise<Row<unknown>[]> {
    const failures = batch.rows.map((call) => call.boundBy<FailedBinding>(this))
    if (failures.every((failed) => failed === undefined)) return await this.stage.many(inputs, batch)
    const rows: Row<unknown>[] = failures.map((failed) => (failed === undefined ? undefined : new RowFailure(failed.error)))
    const bound = failures.flatMap((failed, index) => (failed === undefined ? [index] : []))
    if (bound.length === 0) return rows
    const outputs = await this.stage.many(pick(inputs, bound), batch.pick(bound))
    bound.forEach((index, position) => (rows[index] = outputs[position]))
    return rows
  }
}

/** Models taken in, and the clock and the randomness that what is made of them runs on. */
export interface Parts<I> {
  readonly parts: readonly [Part<I>, ...Part<I>[]]
  readonly runtime: Runtime
}

/**
 * Takes models in; those without a name of their own have their part's. What is made here runs on the clock and the
 * randomness of the first that is a predictor already.
 */
export const partsOf = <I>(models: Readonly<Record<string, unknown>>): Parts<I> => {
  const first = Object.values(models).find(isPredictor)
  const runtime = first === undefined ? undefined : claim(first).stage.runtime
  const parts = Object.entries(models).map(([name, model]) => {
    const isNamed = isPredictor(model) || (typeof model === 'function' && model.name !== '')
    return new Part(name, claim<I, unknown>(model as never, isNamed ? {} : { name }, runtime))
  })
  return { parts: parts as unknown as Parts<I>['parts'], runtime: runtime ?? (parts[0] as Part<I>).stage.runtime }
}

/** What makes one predictor of the parts. */
export interface SeveralDefinition<I, O> {
  readonly kind: string
  readonly name: string
  /** What apart from the parts decides the answer: it enters the digest and the keys of caches. */
  readonly rule: string
  readonly runtime: Runtime
  readonly schema: StageSchema
  describe(): string
  one(input: I, call: Call): Promise<O>
  many(inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]>
  ready(): boolean
  close?(): void
}

/** A predictor of several parts, and what tells its observers. */
export interface Several<I, O> {
  readonly predictor: Predictor<I, O>
  readonly events: EventHub
}

export const predictorOfSeveral = <I, O>(parts: readonly [Part<I>, ...Part<I>[]], definition: SeveralDefinition<I, O>): Several<I, O> => {
  const { kind, name, rule, runtime, schema, describe, one, many, ready } = definition
  const stages = parts.map((part) => part.stage)
  const events = new EventHub()
  const forwards = stages.map((stage) => stage.events.forwardTo(events))
  const identityOf = combinedIdentity(name, rule)
  const bindable = parts.filter((part) => part.stage.bind !== undefined)
  const stage: Stage<I, O> = {
    kind,
    describe,
    branches: parts.map((part) => ({ label: part.name, stage: part.stage })),
    traits: {},
    runtime,
    events,
    schema,
    needsRecord: stages.some((inside) => inside.needsRecord),
    get identity() {
      return identityOf(stages.map((inside) => inside.identity))
    },
    one,
    many: async (inputs, batch) => (inputs.length === 0 ? [] : await many(inputs, batch)),
    bind: bindable.length === 0 ? undefined : (call, input) => {
      for (const part of bindable) part.bind(call, input)
    },
    bindsByInput: stages.some((inside) => inside.bindsByInput),
    served: (call) => identityOf(stages.map((inside) => inside.served(call))),
    scope: (call) => `${name.length}:${name}${rule.length}:${rule}${stages.map((inside) => lengthPrefixed(inside.scope(call))).join('')}`,
    ready,
    close: () => {
      for (const stop of forwards) stop()
      definition.close?.()
    },
  }
  if (stages.some(saysAnew)) Object.defineProperty(stage, 'needsRecord', { get: () => stages.some((inside) => inside.needsRecord) })
  const closers = [() => stage.close(), ...parts.flatMap((part) => part.closers)]
  return { predictor: predictorOver(stage, closers), events }
}

const lengthPrefixed = (text: string): string => `${text.length}:${text}`

/** The identity of what is made of several: it changes when any of them does. Remembers the last. */
const combinedIdentity = (name: string, rule: string): ((parts: readonly ModelIdentity[]) => ModelIdentity) => {
  let known: readonly ModelIdentity[] = []
  let last: ModelIdentity | undefined
  return (parts) => {
    if (last !== undefined && parts.every((part, index) => part === known[index])) return last
    const isVersioned = parts.some((part) => part.version !== '0')
    const isDigested = parts.every((part) => part.digest !== undefined)
    const content = JSON.stringify([name, rule, ...parts.map((part) => [part.name, part.version, part.digest])])
    known = parts
    last = Object.freeze({
      name,
      version: isVersioned ? parts.map((part) => part.version).join('+') : '0',
      digest: isDigested ? createHash('sha256').update(content).digest('hex') : undefined,
    })
    return last
  }
}

/** The output as it is, or, for a stream, an error: it cannot be looked at before it is passed on. */
export const withoutStream = <O>(owner: string, name: string, output: O): O => {
  if (!isStream(output)) return output
  discardStream(output)
  throw new OutriggerError('ERR_OUTRIGGER_BAD_ANSWER', `Cannot use the answer of \`${name}\` in ${owner} as it must not be a stream: current value is one`, { reason: 'stream' })
}

/** The same for the rows of a run. */
export const withoutStreams = (owner: string, name: string, rows: Row<unknown>[]): Row<unknown>[] => {
  rows.forEach((row, index) => {
    if (isRowFailure(row) || !isStream(row)) return
    try {
      withoutStream(owner, name, row)
    } catch (error) {
      rows[index] = new RowFailure(error)
    }
  })
  return rows
}

const nothing = (): void => {}
