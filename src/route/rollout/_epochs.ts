/** The epochs of a rollout's assignment: a number says which release and step, in every process and after every restart. */
import { isUnderWay, type RolloutState } from './state.js'

/** So many belong to a release, at most. The last are those in which nobody has the candidate by evidence, and after the end. */
const perRelease = 1000

/** Before the journal says so, `sent-back`: this process has taken the candidate's units back; `home`: the control serves what was promoted. */
export const epochOf = (state: RolloutState, ahead?: 'sent-back' | 'home'): number =>
  state.release * perRelease + (ahead === 'home' ? perRelease : !isUnderWay(state) ? perRelease - 1 : ahead === 'sent-back' ? perRelease - 2 : state.step + 2)

export const releaseOf = (epoch: number): number => Math.floor(epoch / perRelease)

/** −1 is the shadow. */
export const stepOf = (epoch: number): number => (epoch % perRelease) - 2
