import type { Random } from '../../core/random.js'

/** A standard normal draw (Box and Muller, 1958). */
export const drawNormal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())

/** A gamma draw of this shape and scale 1; 0 for shape 0 (Marsaglia and Tsang, ACM TOMS 26, 2000). */
export const drawGamma = (random: Random, shape: number): number => {
  if (shape === 0) return 0
  if (shape < 1) return drawGamma(random, shape + 1) * Math.pow(1 - random.next(), 1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const z = drawNormal(random)
    const v = (1 + c * z) ** 3
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * z * z + d - d * v + d * Math.log(v)) return d * v
  }
}

/** A binomial draw: by inversion, or by the rounded normal where the variance is above 25. */
export const drawBinomial = (random: Random, trials: number, p: number): number => {
  if (p <= 0 || trials === 0) return 0
  if (p >= 1) return trials
  if (p > 0.5) return trials - drawBinomial(random, trials, 1 - p)
  const variance = trials * p * (1 - p)
  if (variance > 25) return Math.min(trials, Math.max(0, Math.round(trials * p + Math.sqrt(variance) * drawNormal(random))))
  let rest = random.next()
  let mass = Math.pow(1 - p, trials)
  let successes = 0
  while (rest > mass && successes < trials) {
    rest -= mass
    successes += 1
    mass *= ((trials - successes + 1) / successes) * (p / (1 - p))
  }
  return successes
}
