/** Where two ways of one prediction part, by the checkpoints on them. */
import type { Checkpoint, PredictionRecord } from '../core/record.js'
import { differencesOf, type Difference, type limitsOf } from './difference.js'
import { plainText } from './shown.js'

/** The first place at which something else passed. */
export interface FirstDifference {
  /** The checkpoint's name, or `output` for what the caller got. */
  readonly at: string
  readonly side: 'input' | 'output'
  /** The last place before it at which the same passed; `undefined` for the input itself. */
  readonly after: string | undefined
  readonly differences: readonly Difference[]
}

type Way = Pick<PredictionRecord, 'checkpoints' | 'output'>

/**
 * Compares what passed at checkpoints that both ways have, in the order of the recorded one, and then the outputs. What only one of them passed is left out:
 * an answer from a cache passes nothing inside of it, and a second attempt passes twice.
 *
 * @returns `undefined` if nothing differs
 */
export const firstDifference = (recorded: Way, now: Way, limits: ReturnType<typeof limitsOf>, isShared = false): FirstDifference | undefined => {
  let after: string | undefined
  for (const [was, is] of pairsOf(recorded.checkpoints, now.checkpoints)) {
    const differences = differencesOf(was.value, is.value, limits)
    if (differences.length > 0) return { at: was.name, side: was.side, after, differences }
    after = placeOf(was.name, was.side)
  }
  const differences = recorded.output === undefined || now.output === undefined ? [] : differencesOf(recorded.output, now.output, limits, isShared)
  return differences.length === 0 ? undefined : { at: 'output', side: 'output', after, differences }
}

/** Checkpoints that both passed, in order. */
export const pairsOf = (recorded: readonly Checkpoint[] = [], now: readonly Checkpoint[] = []): [was: Checkpoint, is: Checkpoint][] => {
  const pairs: [Checkpoint, Checkpoint][] = []
  let from = 0
  for (const was of recorded) {
    const at = now.findIndex(({ name, side }, index) => index >= from && name === was.name && side === was.side)
    if (at < 0) continue
    pairs.push([was, now[at] as Checkpoint])
    from = at + 1
  }
  return pairs
}

const placeOf = (name: string, side: 'input' | 'output'): string => `${plainText(name, 40)} (${side})`

/** `between model (output) and output`. */
export const shownPlace = ({ at, side, after }: FirstDifference): string => {
  const place = at === 'output' ? 'the output' : placeOf(at, side)
  return after === undefined ? `before ${place}` : `between ${after} and ${place}`
}
