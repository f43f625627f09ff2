import { InvalidOptionError, OutriggerError } from '../core/errors.js'
import { membersOption, numberOption, optionsObject } from '../core/options.js'
import { stateName, type StateStore } from '../store/state-store.js'
import { isRecord } from './saved-json.js'
import { refused } from './_profile-file.js'
import type { ReferenceProfile } from './reference-profile.js'
import { SlicedProfile, type SlicedProfileOptions, type SlicedProfileState } from './sliced-profile.js'

/** Options of {@link joinFleet}. */
export interface JoinFleetOptions {
  readonly store: StateStore
  /** Which worker this is: the same after a restart, and nobody else's at the same time. */
  readonly worker: string
  /** What it counts in. */
  readonly profile: SlicedProfile
  /** How long its counts are kept after it published last. @default as long as all slices of the profile */
  readonly keepForMs?: number
}

/** A worker that publishes its counts. */
export interface FleetMember {
  readonly worker: string
  /** Rows that were taken over from the run before this one. */
  readonly restoredRows: number
  /** Why the state of the run before was not taken over, if there was one. */
  readonly refused: OutriggerError | undefined
  /** Writes all that was counted, in place of what was written before. Call it every few seconds, and at the end. One write at a time: calls meanwhile share the next one. */
  publish(): Promise<void>
  /** Takes its counts out of the fleet's, after writes that are under way. */
  leave(): Promise<void>
}

/** What a fleet has counted together. */
export interface FleetReading {
  readonly profile: SlicedProfile
  /** Whose counts are in it. */
  readonly workers: readonly string[]
  /** Whose could not be added: they count for another reference or with other options, were damaged, or cannot be read. */
  readonly refused: readonly { readonly worker: string; readonly error: OutriggerError }[]
}

const owner = 'a member of a fleet'
const methods = ['put', 'get', 'list', 'remove'] as const
/** Profiles that count for a worker already: what it published would be added to itself. */
const joined = new WeakSet<SlicedProfile>()

/**
 * Makes this process a worker of a fleet whose counts are read together.
 *
 * Each worker writes all that it counted under its own name, so that a write that is repeated, lost or late never counts a row twice. When a
 * worker that crashed comes back under its name, what it had published is added to the profile first, once; rows after its last `publish` are
 * lost. One that does not come back counts until `keepForMs` are over.
 *
 * @throws ERR_OUTRIGGER_INVALID_OPTION; or rejects with what the store does
 * @example
 * ```ts
 * import { fleetProfile, joinFleet, memoryStateStore, referenceProfile, SlicedProfile } from 'outrigger/drift'
 * const reference = referenceProfile(Array.from({ length: 500 }, (_, i) => ({ km: i })))
 * const store = memoryStateStore() // or redisStateStore, fileStateStore
 * for (const worker of ['web-1', 'web-2']) {
 *   const profile = new SlicedProfile(reference)
 *   const member = await joinFleet({ store, worker, profile })
 *   profile.count({ km: 7 }, { at: 0 })
 *   await member.publish()
 *   await member.publish()
 * }
 * const { profile, workers } = await fleetProfile(store, reference)
 * assert.deepEqual([profile.window().rows, workers], [2, ['web-1', 'web-2']])
 * ```
 */
export const joinFleet = async (options: JoinFleetOptions): Promise<FleetMember> => {
  optionsObject(owner, options, ['store', 'worker', 'profile', 'keepForMs'])
  const { profile } = options
  const store = membersOption(owner, 'store', options.store, methods)
  const worker = stateName(owner, options.worker)
  if (!(profile instanceof SlicedProfile)) throw new InvalidOptionError(`Cannot create ${owner} as \`profile\` must be a SlicedProfile: current value is ${typeof profile}`)
  const keepForMs = numberOption(owner, 'keepForMs', options.keepForMs ?? profile.sliceMs * profile.slices, { min: 1, max: 1e13 })
  if (joined.has(profile)) throw new InvalidOptionError(`Cannot create ${owner} as its \`profile\` must be one that has not joined before (make a new one, it takes over what was published): current value is one that has`)
  joined.add(profile)
  let text: string | undefined
  try {
    text = await store.get(worker)
  } catch (error) {
    joined.delete(profile)
    throw error
  }
  let problem: OutriggerError | undefined
  let restoredRows = 0
  if (text !== undefined) {
    const before = readState(profile.reference, text)
    problem = before instanceof SlicedProfile ? merged(profile, before) : before
    if (before instanceof SlicedProfile && problem === undefined) restoredRows = before.window().rows
  }
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | undefined
  // In turn: an older text must not be the one that stays, nor come back after `leave`.
  const inTurn = (go: () => Promise<void>): Promise<void> => {
    const turn = last.then(go, go)
    last = turn
    return turn
  }
  const write = (): Promise<void> => {
    next = undefined
    return store.put(worker, JSON.stringify(profile), keepForMs)
  }
  return {
    worker,
    restoredRows,
    refused: problem,
    publish: () => (next ??= inTurn(write)),
    leave: () => {
      next = undefined
      return inTurn(() => store.remove(worker))
    },
  }
}

/**
 * Adds up what all workers of a fleet have published: to the byte what one process would have counted. Changes nothing in the store.
 *
 * What does not fit is told in `refused`, never left out in silence; look at it before a verdict.
 *
 * @param options - those of the workers' profiles
 * @throws ERR_OUTRIGGER_INVALID_OPTION; or rejects with what the store does
 */
export const fleetProfile = async (store: StateStore, reference: ReferenceProfile, options: SlicedProfileOptions = {}): Promise<FleetReading> => {
  membersOption('a fleet profile', 'store', store, methods)
  const profile = new SlicedProfile(reference, options)
  const workers: string[] = []
  const left: { worker: string; error: OutriggerError }[] = []
  for (const { name, text, error: problem } of await store.list()) {
    const state = text === undefined ? (problem ?? new OutriggerError('ERR_OUTRIGGER_STORE_FAILED', `Cannot read the counts of ${name} as the store must have a text: current value is undefined`)) : readState(reference, text)
    const error = state instanceof SlicedProfile ? merged(profile, state) : state
    if (error === undefined) workers.push(name)
    else left.push({ worker: name, error })
  }
  return { profile, workers, refused: left }
}

/** The profile that was published, or why it is none. */
const readState = (reference: ReferenceProfile, text: string): SlicedProfile | OutriggerError => {
  try {
    const state: unknown = JSON.parse(text)
    if (!isRecord(state) || !('format' in state)) throw refused('it must be a sliced profile', text)
    return new SlicedProfile(reference, state as unknown as SlicedProfileState)
  } catch (cause) {
    if (cause instanceof OutriggerError) return cause
    return new OutriggerError('ERR_OUTRIGGER_PROFILE', `Cannot read the counts of a worker as they must be a sliced profile in JSON: current value is ${JSON.stringify(text.slice(0, 80))}`, { cause })
  }
}

const merged = (profile: SlicedProfile, part: SlicedProfile): OutriggerError | undefined => {
  try {
    profile.merge(part)
    return undefined
  } catch (error) {
    if (error instanceof OutriggerError) return error
    throw error
  }
}
