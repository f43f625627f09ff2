import { chiSquareQuantile } from '../../stats/chi-square.js'
import { normalCumulative, normalQuantile } from '../../stats/normal.js'

/** A statistic that is `scale` times a noncentral chi-square; the effect is `scale` times its noncentrality. */
export interface NoncentralShape {
  readonly scale: number
  readonly degreesOfFreedom: number
}

/** Sankaran (Biometrika 50, 1963): (x / (ν + λ))^h is about normal. */
const sankaran = (degreesOfFreedom: number, lambda: number): { readonly h: number; readonly mean: number; readonly deviation: number } => {
  const sum = degreesOfFreedom + lambda
  const wide = degreesOfFreedom + 2 * lambda
  const h = 1 - (2 * sum * (degreesOfFreedom + 3 * lambda)) / (3 * wide * wide)
  const p = wide / (sum * sum)
  const q = (h - 1) * (1 - 3 * h)
  return { h, mean: 1 + h * p * (h - 1 - ((2 - h) * q * p) / 2), deviation: h * Math.sqrt(2 * p) * (1 + (q * p) / 2) }
}

const below = (x: number, degreesOfFreedom: number, lambda: number): number => {
  const { h, mean, deviation } = sankaran(degreesOfFreedom, lambda)
  return normalCumulative(((x / (degreesOfFreedom + lambda)) ** h - mean) / deviation)
}

const quantile = (p: number, degreesOfFreedom: number, lambda: number): number => {
  const { h, mean, deviation } = sankaran(degreesOfFreedom, lambda)
  return (degreesOfFreedom + lambda) * Math.max(0, mean + deviation * normalQuantile(p)) ** (1 / h)
}

/** Where a function that falls goes through 0. */
const root = (falling: (x: number) => number, high: number): number => {
  let [from, to] = [0, high]
  for (let turn = 0; turn < 60; turn++) {
    const middle = (from + to) / 2
    if (falling(middle) > 0) from = middle
    else to = middle
  }
  return (from + to) / 2
}

/** The effects with which the statistic is not too large, and not too small. Both may be 0. */
export const noncentralInterval = (statistic: number, { scale, degreesOfFreedom }: NoncentralShape, level: number): readonly [low: number, high: number] => {
  const x = statistic / scale
  const most = 4 * x + 100 * degreesOfFreedom + 100
  const bound = (p: number): number => (x <= 0 || below(x, degreesOfFreedom, 0) <= p ? 0 : scale * root((lambda) => below(x, degreesOfFreedom, lambda) - p, most))
  return [bound((1 + level) / 2), bound((1 - level) / 2)]
}

/** The scale, as a multiple of that of one row more or less, with which an effect is found at the wanted power: significant, and surely above the tolerance. */
export const noncentralScale = (effect: number, degreesOfFreedom: number, options: { readonly alpha: number; readonly tolerance: number; readonly level: number; readonly power: number }): number => {
  const { alpha, tolerance, level, power } = options
  const needed = chiSquareQuantile(1 - alpha, degreesOfFreedom)
  // By the logarithm of the noncentrality, in which it is about as fine everywhere.
  const missed = (log: number): number => {
    const lambda = Math.exp(log)
    const usual = quantile(1 - power, degreesOfFreedom, lambda)
    return usual < needed || (tolerance > 0 && below(usual, degreesOfFreedom, (lambda * tolerance) / effect) < (1 + level) / 2) ? 1 : -1
  }
  return effect / Math.exp(root((step) => missed(step - 5), 40) - 5)
}
