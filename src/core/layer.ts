/** Layers: what takes a predictor and returns a predictor. */
import type { BatchCall } from './batch-call.js'
import type { Call } from './call.js'
import type { Clock } from './clock.js'
import { deriveMany } from './derive-batch.js'
import { EventHub, type LayerEvent } from './events.js'
import type { ModelIdentity } from './identity.js'
import { fuse, type Guard } from './fuse.js'
import { rowsOf, toError } from './model.js'
import { functionOption, requiredFunction, stringOption } from './options.js'
import { predictorOver, stageOf, type Predictor } from './predictor.js'
import { ownStream, type Random } from './random.js'
import { failRows, type Row } from './rows.js'
import { saysAnew, type Branch, type Stage, type StageSchema, type StageTraits } from './stage.js'

/** Takes a predictor, returns a predictor. */
export type Layer<I, O, I2 = I, O2 = O> = (inner: Predictor<I, O>) => Predictor<I2, O2>

/** A layer that changes neither inputs nor outputs. */
export type NeutralLayer = <I, O>(inner: Predictor<I, O>) => Predictor<I, O>

/** Asks what the layer wraps, for one row. */
export type Next<I, O> = (input: I, call: Call) => Promise<O>

/** Asks what the layer wraps, for rows. It does not reject: failures of rows are values. */
export type NextBatch<I, O> = (inputs: readonly I[], batch: BatchCall) => Promise<Row<O>[]>

/** What a layer does. Only `one` is needed. */
export interface LayerDefinition<I, O, I2 = I, O2 = O> {
  /** One row. Pass the call on with the input, so that signal, key and binding travel with it. */
  one(next: Next<I, O>, input: I2, call: Call): O2 | PromiseLike<O2>
  /**
   * The rows of one run; gives one {@link Row} per input, in order. Without it a batch form is derived: every row
   * runs `one`, and what the rows ask of `next` travels as one batch.
   */
  many?(next: NextBatch<I, O>, inputs: readonly I2[], batch: BatchCall): Row<O2>[] | PromiseLike<Row<O2>[]>
  /** One line for the stack's description. @default the layer's name */
  describe?(): string
  /** Resolves something for the call, synchronously at the entry, before what is inside does. A row for which it throws fails alone. */
  bind?(call: Call, input: I2): void
  ready?(): boolean
  close?(): Promise<void> | void
}

/** What the library's own layers may say in addition. */
export interface StageDefinition<I, O, I2 = I, O2 = O> extends LayerDefinition<I, O, I2, O2> {
  readonly traits?: StageTraits
  /** Other stages that it leads to. */
  readonly branches?: readonly Branch[]
  readonly schema?: StageSchema
  readonly needsRecord?: boolean
  /** Its forms are trusted to return promises, and to hand failures of rows on as values. */
  readonly trusted?: boolean
  readonly fusible?: Stage<I2, O2>['fusible']
  readonly oneUntilEnd?: Stage<I2, O2>['oneUntilEnd']
  /** Binds what is inside, where the input there is another one. @default with the same input */
  readonly bindInside?: ((call: Call, input: I2) => void) | undefined
}

/** A layer of the library whose single form is given as hooks, which fuse with those of the layers inside. */
export interface GuardDefinition<I, O> extends Omit<StageDefinition<I, O>, 'one' | 'many'> {
  readonly guard: Guard<I, O>
  many(next: NextBatch<I, O>, inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]>
}

/** What a layer gets when it is put around a predictor. */
export interface LayerHost {
  readonly clock: Clock
  /** A stream of random numbers of this layer's own. */
  readonly random: Random
  /** Tells those who observe the stack. */
  emit(event: LayerEvent): void
  /** The identity that a call is bound to inside. */
  served(call: Call): ModelIdentity
  /** What a key must hold apart from the input: the digest and variant that a call is bound to inside. */
  scope(call: Call): string
}

/**
 * Makes a layer.
 *
 * @param name - shown by `describe()` and in events
 * @param definition - what it does; or a function that gives it, called once for each predictor that the layer is put
 * around, so that state is never shared by accident
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when there is no `one`
 *
 * @example
 * ```ts
 * import { layer, pipe } from 'outrigger'
 * const predict = pipe(
 *   (x: number) => x * 2,
 *   layer('clip', { one: async (next, input, call) => Math.min(10, await next(input, call)) }),
 * )
 * assert.deepEqual(await predict.batch([1, 100]), [2, 10])
 * ```
 */
export function layer<I, O, I2 = I, O2 = O>(name: string, definition: LayerDefinition<I, O, I2, O2>): Layer<I, O, I2, O2>
// Two overloads: from a union of both, TypeScript infers `any` for the input of a function's definition.
export function layer<I, O, I2 = I, O2 = O>(name: string, definition: (host: LayerHost) => LayerDefinition<I, O, I2, O2>): Layer<I, O, I2, O2>
export function layer<I, O, I2 = I, O2 = O>(
  name: string,
  definition: LayerDefinition<I, O, I2, O2> | ((host: LayerHost) => LayerDefinition<I, O, I2, O2>),
): Layer<I, O, I2, O2> {
  stringOption('a layer', 'name', name)
  if (typeof definition !== 'function') checkDefinition(definition)
  return (inner) =>
    applyLayer<I, O, I2, O2>(inner, name, (host) => {
      const given = typeof definition === 'function' ? definition(host) : definition
      return typeof definition === 'function' ? checkDefinition(given) : given
    })
}

const checkDefinition = <D extends { one: unknown; many?: unknown }>(definition: D): D => {
  requiredFunction('a layer', 'one', (definition as D | undefined)?.one)
  functionOption('a layer', 'many', definition.many)
  return definition
}

/** Puts a layer around a predictor: builds the stage, and a predictor that borrows what is inside. */
export const applyLayer = <I, O, I2 = I, O2 = O>(
  inner: Predictor<I, O>,
  name: string,
  define: (host: LayerHost, innerStage: Stage<I, O>) => StageDefinition<I, O, I2, O2>,
): Predictor<I2, O2> => {
  const inside = stageOf(inner)
  const { runtime } = inside
  const events = new EventHub()
  const host: LayerHost = {
    clock: runtime.clock,
    random: ownStream(runtime.random, name),
    emit: (event) => events.emit({ ...event, layer: name, at: runtime.clock.wall() } as Parameters<EventHub['emit']>[0]),
    served: (call) => inside.served(call),
    scope: (call) => inside.scope(call),
  }
  const definition = define(host, inside)
  const branches: Branch[] = [...(definition.branches ?? []), { label: '', stage: inside }]
  const forwards = branches.map((branch) => branch.stage.events.forwardTo(events))
  const next: Next<I, O> = (input, call) => inside.one(input, call)
  const nextBatch: NextBatch<I, O> = (inputs, batch) => inside.many(inputs, batch)
  const { one, many } = definition
  const single = definition.trusted === true ? (input: I2, call: Call) => one(next, input, call) as Promise<O2> : promised(one, next)
  const rows = many === undefined ? deriveMany<I, O, I2, O2>(one, nextBatch) : async (inputs: readonly I2[], batch: BatchCall) => await many(nextBatch, inputs, batch)
  const stage: Stage<I2, O2> = {
    kind: name,
    describe: () => definition.describe?.() ?? name,
    branches,
    traits: definition.traits ?? {},
    runtime,
    events,
    schema: definition.schema ?? inside.schema,
    needsRecord: definition.needsRecord === true || branches.some((branch) => branch.stage.needsRecord),
    get identity() {
      return inside.identity
    },
    one: single,
    fusible: definition.fusible,
    oneUntilEnd: definition.oneUntilEnd,
    many: definition.trusted === true && many !== undefined ? (inputs, batch) => many(nextBatch, inputs, batch) as Promise<Row<O2>[]> : checked(rows),
    bind: bindOf(definition, inside),
    bindsByInput: definition.bind !== undefined || inside.bindsByInput,
    served: (call) => inside.served(call),
    scope: (call) => inside.scope(call),
    ready: () => (definition.ready?.() ?? true) && inside.ready(),
    close: async () => {
      for (const stop of forwards) stop()
      await definition.close?.()
    },
  }
  if (branches.some((branch) => saysAnew(branch.stage))) Object.defineProperty(stage, 'needsRecord', { get: () => definition.needsRecord === true || branches.some((branch) => branch.stage.needsRecord) })
  return predictorOver(stage, [() => stage.close()])
}

/** Puts a layer in hooks around a predictor. */
export const applyGuard = <I, O>(inner: Predictor<I, O>, name: string, define: (host: LayerHost, innerStage: Stage<I, O>) => GuardDefinition<I, O>): Predictor<I, O> =>
  applyLayer<I, O>(inner, name, (host, inside) => {
    const { guard, ...rest } = define(host, inside)
    const fusible = { guards: [...(inside.fusible?.guards ?? []), guard], core: inside.fusible?.core ?? ((input: I, call: Call) => inside.one(input, call)) }
    const fused = fuse(fusible.guards, fusible.core)
    return { ...rest, trusted: true, fusible, one: (_next, input, call) => fused(input, call) }
  })

/** A single form that cannot break its promise to return one. */
const promised =
  <I, O, I2, O2>(one: LayerDefinition<I, O, I2, O2>['one'], next: Next<I, O>) =>
  (input: I2, call: Call): Promise<O2> => {
    try {
      const answer = one(next, input, call)
      return answer instanceof Promise ? answer : Promise.resolve(answer)
    } catch (thrown) {
      return Promise.reject(thrown as Error)
    }
  }

/** A batch form that cannot break its promise: what it throws fails every row, and so does a wrong number of rows. */
const checked =
  <I, O>(many: (inputs: readonly I[], batch: BatchCall) => Promise<Row<O>[]>) =>
  async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    if (inputs.length === 0) return []
    try {
      return rowsOf(await many(inputs, batch), inputs.length)
    } catch (thrown) {
      return failRows(inputs.length, toError(thrown))
    }
  }

const bindOf = <I, O, I2, O2>(definition: StageDefinition<I, O, I2, O2>, inside: Stage<I, O>): ((call: Call, input: I2) => void) | undefined => {
  const bindInside = definition.bindInside ?? (inside.bind as ((call: Call, input: I2) => void) | undefined)
  if (definition.bind === undefined) return bindInside
  return (call, input) => {
    definition.bind?.(call, input)
    bindInside?.(call, input)
  }
}
