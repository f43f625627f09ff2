import { describe, expect, test } from 'vitest'
import { assigner, experimentNamespace } from 'outrigger/route'

const experiments = 60
const n = 200_000
const ids = Array.from({ length: n }, (_, id) => String(100_000 + id))
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const z = (count: number, of: number, share: number): number => Math.abs(count - of * share) / Math.sqrt(of * share * (1 - share))
/** The mean of 60 |z| of perfect draws is 0.80 with a standard error of 0.078; the largest is below 4.3 in 999 of 1000 cases. */
const perfect = (scores: readonly number[]): void => {
  expect(mean(scores)).toBeGreaterThan(0.8 - 3.3 * 0.078)
  expect(mean(scores)).toBeLessThan(0.8 + 3.3 * 0.078)
  expect(Math.max(...scores)).toBeLessThan(4.3)
}

describe('bucketing of 60 experiments and 200 000 ids in a row', () => {
  for (const [what, weights] of [['halves', { a: 0.5, b: 0.5 }], ['a canary of 1 %', { a: 0.99, b: 0.01 }], ['a canary of 0.01 %', { a: 0.9999, b: 0.0001 }]] as const) {
    test(`assigner draws ${what} like perfect chance`, () => {
      const scores = Array.from({ length: experiments }, (_, experiment) => {
        const one = assigner({ name: `exp-${experiment}`, weights })
        let count = 0
        for (const id of ids) if (one.choose(id).variant === 'b') count += 1
        return z(count, n, weights.b)
      })
      console.log(`${what}: mean |z| ${mean(scores).toFixed(3)}, max ${Math.max(...scores).toFixed(2)}`)
      perfect(scores)
    })
  }

  test('assigner draws the arms of an experiment inside of an arm of another independently, whose name differs by a digit', () => {
    const scores = Array.from({ length: experiments }, (_, experiment) => {
      const [outer, inner] = [experiment, experiment + 1].map((number) => assigner({ name: `exp-${number}`, weights: { a: 0.5, b: 0.5 } }))
      let inside = 0
      let both = 0
      for (const id of ids) {
        if (outer!.choose(id).variant !== 'b') continue
        inside += 1
        if (inner!.choose(id).variant === 'b') both += 1
      }
      return z(both, inside, 0.5)
    })
    console.log(`nested: mean |z| ${mean(scores).toFixed(3)}, max ${Math.max(...scores).toFixed(2)}`)
    perfect(scores)
  })

  test('assigner draws arms among those who are exposed independently of exposure, and of the stretch of a namespace', () => {
    const exposed: number[] = []
    const arms: number[] = []
    for (let experiment = 0; experiment < experiments; experiment += 1) {
      const name = `exp-${experiment}`
      const one = assigner({ name, weights: { a: 0.5, b: 0.5 }, exposure: 0.1, namespace: experimentNamespace({ name, ranges: { [name]: [0.2, 0.7] } }) })
      let inside = 0
      let b = 0
      for (const id of ids) {
        const { reason, variant } = one.choose(id)
        if (reason === 'default') continue
        inside += 1
        if (variant === 'b') b += 1
      }
      exposed.push(z(inside, n, 0.05))
      arms.push(z(b, inside, 0.5))
    }
    console.log(`exposed: mean |z| ${mean(exposed).toFixed(3)}; arms of the exposed: mean |z| ${mean(arms).toFixed(3)}, max ${Math.max(...arms).toFixed(2)}`)
    perfect(exposed)
    perfect(arms)
  })
})
