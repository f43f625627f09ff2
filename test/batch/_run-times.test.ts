import { seededRandom } from 'outrigger'
import { describe, expect, it } from 'vitest'
import { RunTimes } from '../../src/batch/_run-times.js'

describe('RunTimes', () => {
  // A soak found it after 8000 runs: a variance below zero made the learned size NaN, and the queue was taken from for ever.
  it('stays finite, and its errors real, whatever runs take', () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const random = seededRandom(seed)
      const times = new RunTimes()
      for (let run = 0; run < 5000; run += 1) {
        const rows = [1, 2, 20, 40, 64][Math.floor(random.next() * (1 + (seed % 5)))]!
        const ms = Math.exp(random.next() * 12 - 6)
        times.observe(rows, ms)
        const { fixedMs, perRowMs, spread, fixedError } = times
        if (![fixedMs, perRowMs, spread, fixedError, times.of(rows)].every(Number.isFinite)) expect.fail(`seed ${seed}, run ${run}: ${JSON.stringify({ rows, ms, fixedMs, perRowMs, spread, fixedError })}`)
      }
    }
  })
})
