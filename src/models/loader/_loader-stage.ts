/** The loader as a stage: binds a call to the version that is live, and serves it with that one. */
import type { BatchCall } from '../../core/batch-call.js'
import type { Call } from '../../core/call.js'
import { OutriggerError, rejection } from '../../core/errors.js'
import type { EventHub } from '../../core/events.js'
import type { ModelIdentity } from '../../core/identity.js'
import { showIdentity } from '../../core/identity.js'
import { abortErrorOf } from '../../core/model.js'
import { failRows, isRowFailure, pick, type Row } from '../../core/rows.js'
import type { Runtime } from '../../core/runtime.js'
import type { Stage, StageSchema } from '../../core/stage.js'
import type { LoadedVersion } from './_loaded-version.js'
import type { Listen, WaitingRoom } from './_waiting-room.js'
import { messageOf } from './refusal.js'

/** What the stage needs of its loader. */
export interface LoaderStageHost<I, O> {
  /** The version that new calls are bound to. */
  readonly live: LoadedVersion<I, O> | undefined
  readonly isClosed: boolean
  /** Nothing is live, but the next call loads it. */
  readonly isOnDemand: boolean
  /** Where calls wait while nothing is live, if they do. */
  readonly room: WaitingRoom | undefined
  /** A call waits. */
  wanted(): void
  /** `name@target`: what it follows. */
  readonly following: string
  /** What it is called while nothing is live. */
  readonly unloaded: ModelIdentity
  /** What a cache key holds while nothing is live. */
  readonly gap: string
  readonly runtime: Runtime
  readonly events: EventHub
  readonly schema: StageSchema
}

/** The stage of a loader. `owner` is what its bindings carry. */
export const loaderStage = <I, O>(owner: object, host: LoaderStageHost<I, O>): Stage<I, O> => {
  const boundTo = (call: Call): LoadedVersion<I, O> | undefined => call.boundBy<LoadedVersion<I, O>>(owner)

  // Nothing is thrown here while nothing is live: the call fails where it arrives, so that a fallback outside answers it.
  const lease = (call: Call): LoadedVersion<I, O> | undefined => {
    const { live } = host
    if (live === undefined) return undefined
    live.retain()
    call.bindTo(live)
    return live
  }

  const bind = (call: Call, input: I): LoadedVersion<I, O> | undefined => {
    const version = lease(call)
    version?.stage.bind?.(call, input)
    return version
  }

  const unavailable = (why: string, cause?: unknown): OutriggerError =>
    host.isClosed
      ? new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot predict as the loader of ${host.following} is closed`)
      : rejection('ERR_OUTRIGGER_MODEL_UNAVAILABLE', `Cannot predict as no version of ${host.following} is live${why}`, cause === undefined ? {} : { cause })

  /** Waits until a version is live. @throws if it does not come */
  const untilLive = async (rows: number, listen: Listen): Promise<void> => {
    const { room } = host
    if (room === undefined || host.isClosed) throw unavailable(' (await `whenReady()` before the first calls)')
    if (room.rows + rows > room.rule.max) throw unavailable(` and no more calls may wait: current value is ${room.rows} rows that wait`)
    const ending = room.wait(rows, listen)
    host.wanted()
    const { how, error } = await ending
    if (how === 'late') throw unavailable(`: current value is ${room.rule.waitMs} ms of waiting`)
    if (how === 'left') throw abortErrorOf(error)
    if (how === 'failed') throw unavailable(`: ${messageOf(error)}`, error)
  }

  /** A call that came unbound: a rung of a fallback, a shadow, one that was made while nothing was live. */
  const oneLate = async (input: I, call: Call): Promise<O> => {
    if (host.live === undefined) await untilLive(1, (leave) => call.onAbort(leave))
    const version = bind(call, input)
    if (version === undefined) throw unavailable('')
    const output = await version.one(input, call)
    // Whoever asked before knew of no version.
    call.note().identity ??= version.identity
    return output
  }

  /** Rows of several versions, or of none yet. */
  const manyMixed = async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    const isUnbound = (call: Call): boolean => boundTo(call) === undefined
    if (host.live === undefined && batch.rows.some(isUnbound)) {
      try {
        await untilLive(batch.size, (leave) => {
          const stops = batch.rows.map((call) => call.onAbort((reason) => { if (batch.isAborted) leave(reason) }))
          return () => { for (const stop of stops) stop() }
        })
      } catch (error) {
        // Rows that are bound already do not fail with the others.
        if (batch.rows.every(isUnbound)) return failRows(inputs.length, error)
      }
    }
    const late: number[] = []
    const groups = new Map<LoadedVersion<I, O> | undefined, number[]>()
    for (let index = 0; index < inputs.length; index += 1) {
      let version = boundTo(batch.rows[index] as Call)
      if (version === undefined) {
        version = bind(batch.rows[index] as Call, inputs[index] as I)
        late.push(index)
      }
      const group = groups.get(version)
      if (group === undefined) groups.set(version, [index])
      else group.push(index)
    }
    // Rows that were bound before and after a swap may travel together (a batch of coalesced calls); a run has one version.
    const rows = new Array<Row<O>>(inputs.length)
    await Promise.all([...groups].map(async ([version, indices]) => {
      const outputs = version === undefined ? failRows(indices.length, unavailable('')) : await version.many(pick(inputs, indices), batch.pick(indices))
      indices.forEach((index, position) => { rows[index] = outputs[position] as Row<O> })
    }))
    for (const index of late) {
      const version = boundTo(batch.rows[index] as Call)
      if (version !== undefined && !isRowFailure(rows[index])) (batch.rows[index] as Call).note().identity ??= version.identity
    }
    return rows
  }

  /** Mostly all rows are bound to one version. */
  const many = async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    const first = inputs.length === 0 ? undefined : boundTo(batch.rows[0] as Call)
    return first !== undefined && batch.rows.every((call) => boundTo(call) === first) ? await first.many(inputs, batch) : await manyMixed(inputs, batch)
  }

  return {
    kind: 'model-loader',
    describe: () => `model-loader ${host.following}${host.live === undefined ? ' (nothing live)' : ` → ${showIdentity(host.live.identity)}`}`,
    get branches() {
      return host.live === undefined ? [] : [{ label: '', stage: host.live.stage }]
    },
    traits: {},
    runtime: host.runtime,
    events: host.events,
    schema: host.schema,
    get needsRecord() {
      return host.live?.stage.needsRecord ?? false
    },
    get identity() {
      return host.live?.identity ?? host.unloaded
    },
    one: async (input, call) => {
      const version = boundTo(call)
      return version === undefined ? await oneLate(input, call) : await version.one(input, call)
    },
    many,
    bind: (call, input) => void bind(call, input),
    served: (call) => boundTo(call)?.identity ?? host.live?.identity ?? host.unloaded,
    scope: (call) => {
      // A cache on a rung of a fallback asks before the call has arrived here: what it is told must also be what serves it.
      const version = boundTo(call) ?? lease(call)
      if (version === undefined) return host.gap
      const inside = version.stage.scope(call)
      return inside === version.version.digest ? inside : `${version.version.digest} ${inside}`
    },
    ready: () => host.live?.stage.ready() ?? host.isOnDemand,
    close: () => {},
  }
}
