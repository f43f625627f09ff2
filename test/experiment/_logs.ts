/** Simulated logs of a policy with known propensities, and the truth about another one. */
import type { LoggedDecision } from '../../src/experiment/index.js'
import { seeded } from '../drift/_seeded.js'

export interface World {
  readonly actions: number
  /** How sharply each policy prefers what it takes for best: exp(sharpness · score). */
  readonly logging: number
  readonly target: number
  readonly rewards: 'binary' | 'rare' | 'log-normal'
  /** How far off the model of rewards is, for `dr`. */
  readonly modelError: number
}

const softmax = (scores: readonly number[], sharpness: number): number[] => {
  const most = Math.max(...scores)
  const weights = scores.map((score) => Math.exp(sharpness * (score - most)))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}

/** The mean reward of action `action` in context `x`. */
const expected = ({ rewards, actions }: World, x: number, action: number): number => {
  const fit = 1 - Math.abs(x - action / (actions - 1))
  return rewards === 'binary' ? 0.1 + 0.6 * fit : rewards === 'rare' ? 0.02 + 0.08 * fit * fit : 1 + 4 * fit
}

/** Rows of a log, and the true mean reward of the target policy over the contexts of these rows' distribution. */
export const simulatedLog = (seed: number, rows: number, world: World): LoggedDecision[] => {
  const random = seeded(seed * 5003 + 29)
  return Array.from({ length: rows }, () => {
    const x = Math.floor(random.uniform() * 8) / 7
    const { taken, chosen, means } = policies(world, x)
    const action = random.index(taken)
    const mean = means[action] as number
    const reward = world.rewards === 'log-normal' ? mean * Math.exp(random.normal() - 0.5) : Number(random.uniform() < mean)
    const model = means.map((each, at) => each * (1 + world.modelError * (at % 2 === 0 ? 1 : -1)))
    return {
      reward,
      propensity: taken[action] as number,
      target: chosen[action] as number,
      predicted: Math.min(1e6, model[action] as number),
      predictedTarget: model.reduce((sum, each, at) => sum + each * (chosen[at] as number), 0),
    }
  })
}

const policies = (world: World, x: number) => {
  const means = Array.from({ length: world.actions }, (_, action) => expected(world, x, action))
  const fits = means.map((_, action) => 1 - Math.abs(x - action / (world.actions - 1)))
  // The target policy prefers what fits; the logging one prefers it less, or something else.
  return { means, taken: softmax(fits, world.logging), chosen: softmax(fits, world.target) }
}

/** The mean reward of the target policy. */
export const truth = (world: World): number => {
  let sum = 0
  for (let at = 0; at < 8; at++) {
    const { means, chosen } = policies(world, at / 7)
    sum += means.reduce((total, mean, action) => total + mean * (chosen[action] as number), 0)
  }
  return sum / 8
}
