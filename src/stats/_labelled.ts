import { OutriggerError } from '../core/errors.js'

/** Whether each label is positive; a coded error if labels and scores do not fit together. */
export const positives = (owner: string, scores: ArrayLike<number>, labels: ArrayLike<number | boolean>): Uint8Array => {
  if (scores.length !== labels.length) {
    throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as each score needs its label: current value is ${scores.length} scores and ${labels.length} labels`)
  }
  const positive = new Uint8Array(labels.length)
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]
    if (label !== true && label !== false && label !== 0 && label !== 1) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a label must be 0, 1, true or false: current value is ${String(label)}`)
    }
    if (Number.isNaN(scores[row])) {
      throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a score must be a number: current value is NaN in row ${row}`)
    }
    positive[row] = Number(label)
  }
  return positive
}

/** Refuses scores that are no probabilities. */
export const probability = (owner: string, score: number): number => {
  if (score >= 0 && score <= 1) return score
  throw new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', `Cannot compute ${owner} as a score must be a probability in [0, 1]: current value is ${score}`)
}
