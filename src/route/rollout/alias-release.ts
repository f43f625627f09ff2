import { InvalidOptionError } from '../../core/errors.js'
import { membersOption, optionsObject, stringOption } from '../../core/options.js'
import type { ModelLoader } from '../../models/loader/model-loader.js'
import type { ModelStore } from '../../models/store/model-store.js'
import type { ReleaseChange, ReleaseTarget } from './rollout.js'
import type { ReleasedVersion } from './state.js'

/** Options of {@link aliasRelease}. */
export interface AliasReleaseOptions {
  readonly store: Pick<ModelStore, 'aliases' | 'setAlias' | 'tag'>
  /** The model's name in the store. */
  readonly model: string
  /** What the control follows. @default 'champion' */
  readonly alias?: string
  /** Loaders of this process: they look at the alias at once when it has moved here, and refuse a candidate in quarantine. */
  readonly loaders?: readonly Pick<ModelLoader<never, unknown>, 'notify' | 'quarantine'>[]
}

const owner = 'an alias release'

const numberOf = ({ version }: ReleasedVersion): number => {
  const number = Number(version)
  if (!Number.isInteger(number) || number < 1) throw new InvalidOptionError(`Cannot move an alias as versions of a store are numbered from 1: current value is ${version}`)
  return number
}

/**
 * What a rollout moves in a model store: a promotion points the alias to the candidate, a rollback points it back if it got there, tags the
 * version with `quarantined` and why, and has the loaders of every process refuse its digest. Each move is one compare-and-swap, with its audit line; a second
 * time nothing changes.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; moves reject with `ERR_OUTRIGGER_ALIAS_CONFLICT` if somebody else moved the alias meanwhile
 */
export const aliasRelease = (options: AliasReleaseOptions): ReleaseTarget => {
  optionsObject(owner, options, ['store', 'model', 'alias', 'loaders'])
  const store = membersOption(owner, 'store', options.store, ['aliases', 'setAlias', 'tag'])
  const model = stringOption(owner, 'model', options.model)
  const alias = stringOption(owner, 'alias', options.alias ?? 'champion')
  const loaders = (options.loaders ?? []).map((loader) => membersOption(owner, 'loaders', loader, ['notify', 'quarantine']))

  const current = async (): Promise<number | null> => (await store.aliases(model)).find(({ alias: name }) => name === alias)?.version ?? null
  const point = async (from: number, to: number, { by, reason }: ReleaseChange): Promise<void> => {
    if ((await current()) === to) return
    await store.setAlias(model, alias, to, { expect: from, by, reason })
    for (const loader of loaders) loader.notify()
  }
  return {
    promote: async (change) => await point(numberOf(change.control), numberOf(change.candidate), change),
    rollBack: async (change) => {
      const bad = numberOf(change.candidate)
      if ((await current()) === bad) await point(bad, numberOf(change.control), change)
      if (change.quarantine) await store.tag(model, bad, { quarantined: change.reason.slice(0, 1000) }, { by: change.by, reason: change.reason })
    },
    quarantine: ({ candidate, reason }) => {
      for (const loader of loaders) loader.quarantine({ name: candidate.name, version: numberOf(candidate), digest: candidate.digest }, reason)
    },
  }
}
