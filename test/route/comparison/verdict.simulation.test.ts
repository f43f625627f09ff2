import { describe, expect, test } from 'vitest'
import { seededRandom } from 'outrigger'
import { outputComparison } from 'outrigger/route'

const shadows = 200
/** Three standard errors above 5 %. */
const most = shadows * (0.05 + 3 * Math.sqrt((0.05 * 0.95) / shadows))

describe('a verdict, asked for after every 20 rows', () => {
  test('a verdict of the rows of users who come often is wrong in many shadows; of the first row of each user it is not', () => {
    const wrongBy = (isOncePerUser: boolean): number => {
      const random = seededRandom('users')
      // Pareto with shape 1.2, cut at 500; each flips always or never, and the limit is the truth.
      const user = () => ({ flips: random.next() < 0.1, left: Math.min(500, Math.floor((1 - random.next()) ** (-1 / 1.2))), isNew: true })
      let wrong = 0
      for (let shadow = 0; shadow < shadows; shadow += 1) {
        const comparison = outputComparison({ examples: 0 })
        const users = Array.from({ length: 50 }, user)
        while (comparison.rows < 2000) {
          const at = Math.floor(random.next() * users.length)
          const one = users[at]!
          const isCounted = one.isNew || !isOncePerUser
          if (isCounted) comparison.add({ id: '', primary: 'a', candidate: one.flips ? 'b' : 'a' })
          one.isNew = false
          one.left -= 1
          if (one.left === 0) users[at] = user()
          if (isCounted && comparison.rows % 20 === 0 && comparison.verdict({ flips: 0.1 }).answer !== 'insufficient') {
            wrong += 1
            break
          }
        }
      }
      return wrong
    }
    const [byRow, byUser] = [wrongBy(false), wrongBy(true)]
    console.log(`wrong answers in ${shadows} shadows: ${byRow} by rows, ${byUser} by users`)
    expect(byRow).toBeGreaterThan(shadows / 4)
    expect(byUser).toBeLessThanOrEqual(most)
  })

  test('a verdict of the mean alone does not see what is rare and large; with a limit of disagreement it does', () => {
    const random = seededRandom('rare')
    const passed = { alone: 0, both: 0 }
    for (let shadow = 0; shadow < shadows; shadow += 1) {
      const comparison = outputComparison({ examples: 0 })
      const hasPassed = { alone: false, both: false }
      for (let row = 1; row <= 2000; row += 1) {
        comparison.add({ id: '', primary: 1, candidate: random.next() < 0.005 ? 1001 : 1 })
        if (row % 20 > 0) continue
        hasPassed.alone ||= comparison.verdict({ meanDifference: 1 }).answer === 'agrees'
        hasPassed.both ||= comparison.verdict({ meanDifference: 1, disagreement: 0.004 }).answer === 'agrees'
      }
      for (const limits of ['alone', 'both'] as const) passed[limits] += Number(hasPassed[limits])
    }
    console.log(`a mean 5 off passed for one within 1 in ${passed.alone} of ${shadows} shadows, with a limit of disagreement in ${passed.both}`)
    expect(passed.alone).toBeGreaterThan(shadows / 4)
    expect(passed.both).toBeLessThanOrEqual(most)
  })

  test('a verdict needs so many rows to say that there is no difference', () => {
    const rowsFor = (flips: number): number => {
      const comparison = outputComparison({ examples: 0 })
      while (comparison.verdict({ flips }).answer === 'insufficient') comparison.add({ id: '', primary: 'a', candidate: 'a' })
      return comparison.rows
    }
    expect([rowsFor(0.01), rowsFor(0.05)]).toEqual([680, 116])
  })
})
