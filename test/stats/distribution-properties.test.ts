import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/core/random.js'
import * as stats from '../../src/stats/index.js'

const random = seededRandom('distributions')
const cases = 3000

/** A number spread evenly over the powers of ten in between. */
const spread = (low: number, high: number): number => 10 ** (low + (high - low) * random.next())

/** A share, every second time next to 0 or to 1. */
const share = (): number => {
  const side = random.integer(4)
  return side === 0 ? spread(-300, -1) : side === 1 ? 1 - spread(-16, -1) : random.next()
}

/** Pairs of a lower and an upper tail at some point. */
const tails: Record<string, () => [lower: number, upper: number, at: string]> = {
  gamma: () => {
    const a = spread(-8, 7)
    const x = random.integer(2) === 0 ? a * (0.5 + random.next()) : spread(-300, 8)
    return [stats.gammaP(a, x), stats.gammaQ(a, x), `${a} ${x}`]
  },
  beta: () => {
    const shape = { a: spread(-8, 9), b: spread(-8, 9) }
    const x = random.integer(2) === 0 ? share() : shape.a / (shape.a + shape.b)
    return [stats.incompleteBetaLower(x, shape), stats.incompleteBetaUpper(x, shape), `${JSON.stringify(shape)} ${x}`]
  },
  chiSquare: () => {
    const [df, x] = [spread(-8, 7), spread(-300, 8)]
    return [stats.chiSquareCumulative(x, df), stats.chiSquareSurvival(x, df), `${df} ${x}`]
  },
  betaDistribution: () => {
    const shape = { a: spread(-3, 6), b: spread(-3, 6) }
    const x = share()
    return [stats.betaCumulative(x, shape), stats.betaSurvival(x, shape), `${JSON.stringify(shape)} ${x}`]
  },
  studentT: () => {
    const df = spread(-8, 18)
    const t = spread(-20, 20) * (random.integer(2) === 0 ? 1 : -1)
    return [stats.studentTCumulative(t, df), stats.studentTSurvival(t, df), `${df} ${t}`]
  },
  f: () => {
    const degrees = { numerator: spread(-8, 9), denominator: spread(-8, 9) }
    const f = random.integer(2) === 0 ? spread(-0.1, 0.1) : spread(-300, 300)
    return [stats.fCumulative(f, degrees), stats.fSurvival(f, degrees), `${JSON.stringify(degrees)} ${f}`]
  },
  binomial: () => {
    const binomial = { trials: random.integer(100_000), probability: share() }
    const hits = random.integer(binomial.trials + 1)
    return [stats.binomialCumulative(hits, binomial), stats.binomialSurvival(hits, binomial), `${JSON.stringify(binomial)} ${hits}`]
  },
  poisson: () => {
    const mean = spread(-8, 6)
    const count = Math.floor(mean * 2 * random.next())
    return [stats.poissonCumulative(count, mean), stats.poissonSurvival(count, mean), `${mean} ${count}`]
  },
  normal: () => {
    const z = 80 * (random.next() - 0.5)
    return [stats.normalCumulative(z), stats.normalSurvival(z), `${z}`]
  },
  kolmogorov: () => {
    const lambda = 4 * random.next()
    return [stats.kolmogorovCumulative(lambda), stats.kolmogorovSurvival(lambda), `${lambda}`]
  },
}

test.each(Object.entries(tails))('%s: both tails are probabilities that make 1', (_, tail) => {
  for (let round = 0; round < cases; round++) {
    const [lower, upper, at] = tail()
    expect(lower >= 0 && upper >= 0 && lower <= 1 + 4e-16 && upper <= 1 + 4e-16, `${at}: ${lower} ${upper}`).toBe(true)
    expect(Math.abs(lower + upper - 1), at).toBeLessThanOrEqual(4.5e-16)
  }
})

test('I_x(a, b) = 1 − I_{1−x}(b, a)', () => {
  for (let round = 0; round < cases; round++) {
    const [a, b] = [spread(-6, 6), spread(-6, 6)]
    // So that 1 − x is exact.
    const x = (1 + random.integer(2 ** 30 - 1)) / 2 ** 30
    const upper = stats.incompleteBetaUpper(1 - x, { a: b, b: a })
    const lower = stats.incompleteBetaLower(x, { a, b })
    expect(Math.abs(lower - upper), `${a} ${b} ${x}`).toBeLessThanOrEqual(1e-12 * lower)
  }
})

test('a lower tail never falls and an upper tail never rises as x grows, up to rounding', () => {
  for (let round = 0; round < 300; round++) {
    const shape = { a: spread(-3, 6), b: spread(-3, 6) }
    const mean = shape.a / (shape.a + shape.b)
    let [lower, upper] = [0, 1]
    for (let step = 1; step < 40; step++) {
      const x = Math.min(1, (mean * step) / 20)
      const [nextLower, nextUpper] = [stats.incompleteBetaLower(x, shape), stats.incompleteBetaUpper(x, shape)]
      expect(nextLower >= lower * (1 - 2e-12) && nextUpper <= upper * (1 + 2e-12), `${JSON.stringify(shape)} ${x}`).toBe(true)
      lower = nextLower
      upper = nextUpper
    }
  }
})

test('gammaQ keeps its digits where it is as small as a: Q(a, x) = a E₁(x) for a next to 0', () => {
  // E₁(1) and E₁(½): Abramowitz and Stegun, table 5.1.
  expect(Math.abs(stats.gammaQ(1e-15, 1) / 1e-15 / 0.21938393439552029 - 1)).toBeLessThan(1e-12)
  expect(Math.abs(stats.gammaQ(1e-15, 0.5) / 1e-15 / 0.5597735947761608 - 1)).toBeLessThan(1e-12)
})

test('the masses of a binomial and of a Poisson count add up to the tails', () => {
  for (const probability of [1e-6, 0.2, 0.5, 0.93]) {
    const binomial = { trials: 60, probability }
    let sum = 0
    for (let hits = 0; hits <= 60; hits++) {
      sum += stats.binomialMass(hits, binomial)
      expect(Math.abs(sum / stats.binomialCumulative(hits, binomial) - 1)).toBeLessThan(1e-13)
    }
  }
  for (const mean of [1e-6, 0.7, 12]) {
    let sum = 0
    for (let count = 0; count < 60; count++) {
      sum += stats.poissonMass(count, mean)
      expect(Math.abs(sum / stats.poissonCumulative(count, mean) - 1)).toBeLessThan(1e-13)
    }
  }
})

test('normalQuantile undoes normalCumulative', () => {
  for (let round = 0; round < cases; round++) {
    const p = share()
    if (p > 0.99) continue
    expect(Math.abs(stats.normalCumulative(stats.normalQuantile(p)) / p - 1), `${p}`).toBeLessThan(1e-12)
  }
})

test('the lower tails of Student\'s t and of the normal distribution mirror the upper ones to the bit', () => {
  for (let round = 0; round < cases; round++) {
    const [t, df] = [spread(-3, 40), spread(-2, 6)]
    expect(stats.studentTCumulative(-t, df)).toBe(stats.studentTSurvival(t, df))
    expect(stats.normalCumulative(-t)).toBe(stats.normalSurvival(t))
  }
})

describe('the edges of the domains', () => {
  test('give the limit', () => {
    const shape = { a: 2, b: 3 }
    expect([0, 1].map((x) => [stats.incompleteBetaLower(x, shape), stats.incompleteBetaUpper(x, shape)])).toEqual([[0, 1], [1, 0]])
    expect([stats.betaCumulative(-1, shape), stats.betaSurvival(7, shape), stats.betaDensity(-1, shape), stats.betaDensity(0, { a: 1, b: 3 }), stats.betaDensity(1, { a: 2, b: 0.5 })]).toEqual([0, 0, 0, 3, Infinity])
    expect([stats.erf(0), stats.erf(Infinity), stats.erf(-Infinity), stats.erfc(Infinity), stats.erfc(-Infinity)]).toEqual([0, 1, -1, 0, 2])
    expect([0, 0.5, 1].map(stats.normalQuantile)).toEqual([-Infinity, 0, Infinity])
    expect([stats.studentTSurvival(0, 5), stats.studentTSurvival(Infinity, 5), stats.studentTSurvival(-Infinity, 5)]).toEqual([0.5, 0, 1])
    expect(stats.studentTSurvival(1.5, Infinity)).toBe(stats.normalSurvival(1.5))
    const degrees = { numerator: 2, denominator: 3 }
    expect([stats.fSurvival(0, degrees), stats.fSurvival(-1, degrees), stats.fSurvival(Infinity, degrees), stats.fCumulative(-1, degrees)]).toEqual([1, 1, 0, 0])
    expect([stats.chiSquareCumulative(-1, 2), stats.chiSquareCumulative(Infinity, 2), stats.kolmogorovCumulative(0), stats.kolmogorovCumulative(Infinity)]).toEqual([0, 1, 0, 1])
    const never = { trials: 3, probability: 0 }
    const always = { trials: 3, probability: 1 }
    expect([stats.binomialCumulative(0, never), stats.binomialMass(0, never), stats.binomialCumulative(2, always), stats.binomialMass(3, always), stats.binomialMass(2, always)]).toEqual([1, 1, 0, 1, 0])
    expect([stats.binomialSurvival(-1, always), stats.binomialSurvival(3, always), stats.binomialCumulative(0, { trials: 0, probability: 0.5 }), stats.binomialMass(1.5, always)]).toEqual([1, 0, 1, 0])
    expect([stats.poissonCumulative(-1, 2), stats.poissonCumulative(0, 0), stats.poissonMass(0, 0), stats.poissonMass(1, 0), stats.poissonMass(0.5, 1), stats.poissonSurvival(Infinity, 2)]).toEqual([0, 1, 1, 0, 0, 0])
  })

  test('NaN gives NaN', () => {
    const shape = { a: 2, b: 3 }
    const binomial = { trials: 3, probability: 0.5 }
    const degrees = { numerator: 2, denominator: 3 }
    for (const value of [
      stats.erf(NaN), stats.erfc(NaN), stats.normalSurvival(NaN), stats.normalCumulative(NaN), stats.normalQuantile(NaN), stats.studentTSurvival(NaN, 3), stats.fSurvival(NaN, degrees), stats.chiSquareCumulative(NaN, 3),
      stats.kolmogorovCumulative(NaN), stats.incompleteBetaLower(NaN, shape), stats.betaSurvival(NaN, shape), stats.betaDensity(NaN, shape), stats.binomialMass(NaN, binomial), stats.binomialCumulative(NaN, binomial),
      stats.poissonMass(NaN, 2), stats.poissonSurvival(NaN, 2), stats.incompleteBetaLower(0.5, { a: 0, b: 1 }), stats.incompleteBetaUpper(1.5, shape), stats.incompleteBetaUpper(0.5, { a: 1e308, b: 1e308 }),
    ]) expect(value).toBeNaN()
  })

  test('parameters that are none get a coded error', () => {
    for (const bad of [0, -1, NaN]) {
      for (const ask of [
        () => stats.chiSquareSurvival(1, bad), () => stats.chiSquareCumulative(1, bad), () => stats.studentTSurvival(1, bad), () => stats.fSurvival(1, { numerator: bad, denominator: 1 }),
        () => stats.fCumulative(1, { numerator: 1, denominator: bad }), () => stats.betaCumulative(0.5, { a: bad, b: 1 }), () => stats.betaSurvival(0.5, { a: 1, b: bad }), () => stats.betaDensity(0.5, { a: bad, b: 1 }),
        () => stats.poissonMass(1, bad - 1), () => stats.poissonCumulative(1, bad - 1), () => stats.poissonSurvival(1, Infinity), () => stats.binomialMass(1, { trials: bad - 0.5, probability: 0.5 }),
        () => stats.binomialCumulative(1, { trials: 3, probability: bad - 0.5 }), () => stats.binomialSurvival(1, { trials: 2 ** 53, probability: 0.5 }), () => stats.normalQuantile(bad === 0 ? 2 : -1),
      ]) expect(ask).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_INPUT' }))
    }
  })
})
