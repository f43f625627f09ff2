/** Where a rollout stands, as the sum of its journal. Pure. */
import { OutriggerError } from '../../core/errors.js'

/** One version, as its predictor says who it is. */
export interface ReleasedVersion {
  readonly name: string
  readonly version: string
  readonly digest: string
}

/** What was decided, one entry of the journal each. Times are milliseconds since 1970; `by` is a person, or `rollout` itself. */
export type RolloutEntry =
  | { readonly kind: 'started'; readonly at: number; readonly by: string; readonly candidate: ReleasedVersion; readonly control: ReleasedVersion; readonly plan: string }
  | { readonly kind: 'advanced'; readonly at: number; readonly by: string; readonly to: number; readonly reason: string; readonly evidence?: string }
  | { readonly kind: 'approved' | 'held' | 'resumed'; readonly at: number; readonly by: string; readonly reason: string }
  | { readonly kind: 'promoted' | 'rolled-back'; readonly at: number; readonly by: string; readonly reason: string; readonly cause: RolloutCause; readonly quarantine?: boolean; readonly evidence?: string }
  | { readonly kind: 'applied'; readonly at: number; readonly by: string }

/** What ended a rollout. */
export type RolloutCause = 'evidence' | 'time' | 'objective' | 'guard' | 'deadline' | 'person'

/** Where a rollout stands. */
export interface RolloutState {
  /** Entries read so far. */
  readonly position: number
  /** The number of this rollout in the journal, from 1; 0 before the first. */
  readonly release: number
  readonly stage: 'idle' | 'shadow' | 'canary' | 'promoted' | 'rolled-back'
  /** The step, counted from 0; −1 outside of `canary`. */
  readonly step: number
  /** When this stage or step began. */
  readonly since: number
  readonly startedAt: number
  readonly candidate: ReleasedVersion | undefined
  readonly control: ReleasedVersion | undefined
  /** The digest of the plan that it started with. */
  readonly plan: string
  readonly held: { readonly by: string; readonly reason: string; readonly at: number } | undefined
  /** Whether a person has approved the end of this step. */
  readonly isApproved: boolean
  readonly end: { readonly by: string; readonly reason: string; readonly cause: RolloutCause; readonly at: number; readonly quarantine: boolean; readonly isApplied: boolean } | undefined
  /** Digests that evidence spoke against, in any rollout of this journal; the last 100. */
  readonly quarantined: readonly string[]
  /** When one was rolled back last, or −Infinity. */
  readonly lastRollback: number
}

/** Before the first entry. */
export const noRollout: RolloutState = {
  position: 0,
  release: 0,
  stage: 'idle',
  step: -1,
  since: 0,
  startedAt: 0,
  candidate: undefined,
  control: undefined,
  plan: '',
  held: undefined,
  isApproved: false,
  end: undefined,
  quarantined: [],
  lastRollback: -Infinity,
}

/** Whether it is on its way: started, and neither promoted nor rolled back. */
export const isUnderWay = ({ stage }: RolloutState): boolean => stage === 'shadow' || stage === 'canary'

const damaged = (position: number, what: string): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot follow the journal of a rollout as entry ${position} must fit those before: current value is ${what}`, { reason: 'journal', position })

const isVersion = (value: unknown): value is ReleasedVersion => {
  const { name, version, digest } = (value ?? {}) as Partial<ReleasedVersion>
  return typeof name === 'string' && typeof version === 'string' && typeof digest === 'string'
}

/** The last time that is a date. */
const latest = 8.64e15

const parse = (position: number, text: string): RolloutEntry => {
  let entry: Partial<Record<string, unknown>>
  try {
    entry = JSON.parse(text) as typeof entry
  } catch {
    throw damaged(position, 'no JSON')
  }
  const { kind, at, by } = entry ?? {}
  if (typeof kind !== 'string' || typeof at !== 'number' || !(Math.abs(at) <= latest) || typeof by !== 'string') throw damaged(position, text.slice(0, 100))
  return entry as unknown as RolloutEntry
}

/**
 * The state after one more entry.
 *
 * @throws `ERR_OUTRIGGER_ROLLOUT` with `position`, if it is none or cannot come here
 */
export const afterEntry = (state: RolloutState, text: string): RolloutState => {
  const entry = parse(state.position, text)
  const next = { ...state, position: state.position + 1 }
  const refuse = (): OutriggerError => damaged(state.position, `"${entry.kind}" while it is ${state.stage}${state.step < 0 ? '' : `, step ${state.step}`}`)
  if (entry.kind === 'started') {
    if (isUnderWay(state)) throw refuse()
    if (!isVersion(entry.candidate) || !isVersion(entry.control) || typeof entry.plan !== 'string') throw damaged(state.position, 'a start without versions or plan')
    return { ...next, release: state.release + 1, stage: 'shadow', step: -1, since: entry.at, startedAt: entry.at, candidate: entry.candidate, control: entry.control, plan: entry.plan, held: undefined, isApproved: false, end: undefined }
  }
  if (entry.kind === 'applied') {
    if (state.end === undefined) throw refuse()
    return { ...next, end: { ...state.end, isApplied: true } }
  }
  if (!isUnderWay(state)) throw refuse()
  switch (entry.kind) {
    case 'advanced':
      if (entry.to !== state.step + 1) throw refuse()
      return { ...next, stage: 'canary', step: entry.to, since: entry.at, isApproved: false }
    case 'approved':
      return { ...next, isApproved: true }
    case 'held':
      return { ...next, held: { by: entry.by, reason: entry.reason, at: entry.at } }
    case 'resumed':
      return { ...next, held: undefined }
    case 'promoted':
    case 'rolled-back': {
      const { at, by, reason, cause, quarantine = false } = entry
      const quarantined = quarantine && state.candidate !== undefined ? [...state.quarantined.filter((digest) => digest !== state.candidate?.digest), state.candidate.digest].slice(-100) : state.quarantined
      return { ...next, stage: entry.kind, step: -1, since: at, held: undefined, end: { by, reason, cause, at, quarantine, isApplied: false }, quarantined, lastRollback: entry.kind === 'rolled-back' ? at : state.lastRollback }
    }
    default:
      throw refuse()
  }
}
