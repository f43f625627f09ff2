/** A model loader in miniature, for tests: several versions, one of them live, and leases that are counted. */
import type { BatchCall } from '../core/batch-call.js'
import type { Binding, Call } from '../core/call.js'
import { EventHub } from '../core/events.js'
import type { ModelIdentity } from '../core/identity.js'
import { modelStage, type ModelFunction, type ModelObject } from '../core/model.js'
import { predictorOver, type Predictor } from '../core/predictor.js'
import { pick, type Row } from '../core/rows.js'
import { runtimeOf } from '../core/runtime.js'
import type { Stage } from '../core/stage.js'
import type { Clock } from '../core/clock.js'

/** The predictor, and what the test does to it. */
export interface Swappable<I, O> {
  readonly predictor: Predictor<I, O>
  /** Puts a version live, for calls from now on. */
  swap(version: string): void
  /** How many leases of a version are held. */
  leases(version: string): number
  /** How often a version was asked while nobody held a lease of it. */
  readonly askedUnleased: number
}

interface Version<I, O> extends Binding {
  readonly stage: Stage<I, O>
  held: number
}

/** @param versions - version → its model; the first one is live */
export const swappable = <I, O>(versions: Readonly<Record<string, ModelFunction<I, O> | ModelObject<I, O>>>, options: { readonly clock?: Clock } = {}): Swappable<I, O> => {
  const owner = {}
  const runtime = runtimeOf(options)
  let askedUnleased = 0
  const loaded = new Map<string, Version<I, O>>()
  for (const [name, model] of Object.entries(versions)) {
    const identity: ModelIdentity = { name: 'swappable', version: name, digest: `digest of ${name}` }
    const version: Version<I, O> = {
      owner,
      identity,
      stage: modelStage(model, { runtime, identity, schema: {} }),
      held: 0,
      retain: () => void (version.held += 1),
      release: () => void (version.held -= 1),
    }
    loaded.set(name, version)
  }
  let [live] = loaded.values() as Iterable<Version<I, O>> as [Version<I, O>]

  const bind = (call: Call): Version<I, O> => {
    live.retain()
    call.bindTo(live)
    return live
  }
  const versionOf = (call: Call): Version<I, O> => {
    const version = call.boundBy<Version<I, O>>(owner) ?? bind(call)
    if (version.held === 0) askedUnleased += 1
    return version
  }

  const stage: Stage<I, O> = {
    kind: 'swappable',
    describe: () => `swappable, version ${live.identity.version} is live`,
    get branches() {
      return [{ label: '', stage: live.stage }]
    },
    traits: {},
    runtime,
    events: new EventHub(),
    schema: {},
    needsRecord: false,
    get identity() {
      return live.identity
    },
    one: async (input, call) => await versionOf(call).stage.one(input, call),
    many: async (inputs: readonly I[], batch: BatchCall) => {
      const rows = new Array<Row<O>>(inputs.length)
      const groups = new Map<Version<I, O>, number[]>()
      batch.rows.forEach((call, index) => {
        const version = versionOf(call)
        groups.set(version, [...(groups.get(version) ?? []), index])
      })
      for (const [version, indices] of groups) {
        const outputs = await version.stage.many(pick(inputs, indices), batch.pick(indices))
        indices.forEach((index, position) => (rows[index] = outputs[position] as Row<O>))
      }
      return rows
    },
    bind: (call) => void bind(call),
    served: (call) => call.boundBy(owner)?.identity ?? live.identity,
    scope: (call) => (call.boundBy(owner)?.identity ?? live.identity).digest as string,
    ready: () => true,
    close: () => {},
  }
  const named = (version: string): Version<I, O> => {
    const found = loaded.get(version)
    if (found === undefined) throw new Error(`There is no version ${version}.`)
    return found
  }
  return {
    predictor: predictorOver(stage, [() => stage.close()]),
    swap: (version) => {
      live = named(version)
    },
    leases: (version) => named(version).held,
    get askedUnleased() {
      return askedUnleased
    },
  }
}
