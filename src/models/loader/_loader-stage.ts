/** The loader as a stage: binds a call to the version that is live, and serves it with that one. */
import type { BatchCall, Call } from '../../core/call.js'
import { OutriggerError } from '../../core/errors.js'
import type { EventHub } from '../../core/events.js'
import type { ModelIdentity } from '../../core/identity.js'
import { showIdentity } from '../../core/identity.js'
import { failRows, pick, type Row } from '../../core/rows.js'
import type { Runtime } from '../../core/runtime.js'
import type { Stage, StageSchema } from '../../core/stage.js'
import type { LoadedVersion } from './_loaded-version.js'

/** What the stage needs of its loader. */
export interface LoaderStageHost<I, O> {
  /** The version that new calls are bound to. */
  readonly live: LoadedVersion<I, O> | undefined
  readonly isClosed: boolean
  /** `name@target`: what it follows. */
  readonly following: string
  /** What it is called while nothing is live. */
  readonly unloaded: ModelIdentity
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

  /** The version of a call; binds it now if it came without (a rung of a fallback, a shadow). */
  const versionOf = (call: Call, input: I): LoadedVersion<I, O> => {
    const version = boundTo(call) ?? bind(call, input)
    if (version !== undefined) return version
    throw host.isClosed
      ? new OutriggerError('ERR_OUTRIGGER_CLOSED', `Cannot predict as the loader of ${host.following} is closed`)
      : new OutriggerError('ERR_OUTRIGGER_MODEL_NOT_FOUND', `Cannot predict as no version of ${host.following} is live yet (await \`whenReady()\` first): current value is nothing`)
  }

  const many = async (inputs: readonly I[], batch: BatchCall): Promise<Row<O>[]> => {
    const groups = new Map<LoadedVersion<I, O>, number[]>()
    try {
      for (let index = 0; index < inputs.length; index += 1) {
        const version = versionOf(batch.rows[index] as Call, inputs[index] as I)
        const group = groups.get(version)
        if (group === undefined) groups.set(version, [index])
        else group.push(index)
      }
    } catch (error) {
      return failRows(inputs.length, error)
    }
    const [only] = groups.keys()
    if (only !== undefined && groups.size === 1) return await only.many(inputs, batch)
    // Rows that were bound before and after a swap may travel together (a batch of coalesced calls); a run has one version.
    const rows = new Array<Row<O>>(inputs.length)
    await Promise.all([...groups].map(async ([version, indices]) => {
      const outputs = await version.many(pick(inputs, indices), batch.pick(indices))
      indices.forEach((index, position) => { rows[index] = outputs[position] as Row<O> })
    }))
    return rows
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
    one: async (input, call) => await versionOf(call, input).one(input, call),
    many,
    bind: (call, input) => void bind(call, input),
    served: (call) => boundTo(call)?.identity ?? host.live?.identity ?? host.unloaded,
    scope: (call) => {
      // A cache on a rung of a fallback asks before the call has arrived here: what it is told must also be what serves it.
      const version = boundTo(call) ?? lease(call)
      if (version === undefined) return ''
      const inside = version.stage.scope(call)
      return inside === version.version.digest ? inside : `${version.version.digest} ${inside}`
    },
    ready: () => host.live?.stage.ready() === true,
    close: () => {},
  }
}
