/** A remote model whose replicas are slow now and then: the tail with hedges and without, and what that costs. */
import assert from 'node:assert/strict'
import { pipe, predictor, seededRandom, timeout } from 'outrigger'
import { hedge } from 'outrigger/resilience'
import { fakeClock } from 'outrigger/testing'

// Hours pass in no time here.
const clock = fakeClock()
const random = seededRandom('replicas')
let requests = 0
const remote = predictor(
  (km: number, call) =>
    new Promise<number>((resolve, reject) => {
      requests += 1
      // 15 to 25 ms; every thirtieth request meets a replica that collects garbage.
      const ms = random.next() < 1 / 30 ? 400 + 600 * random.next() : 15 + 10 * random.next()
      const timer = clock.setTimeout(() => resolve(km * 1.6), ms)
      const stop = (): void => {
        clock.clearTimeout(timer)
        reject(call.signal.reason)
      }
      call.signal.addEventListener('abort', stop, { once: true })
    }),
  { name: 'remote', clock },
)

const p99 = async (predict: typeof remote): Promise<number> => {
  const durations: number[] = []
  const stop = predict.observe((event) => event.type === 'prediction' && durations.push(event.record.durations.totalMs))
  for (let round = 0; round < 100; round += 1) {
    const answers = Promise.all(Array.from({ length: 20 }, () => predict(10)))
    await clock.advance(2000)
    assert.ok((await answers).every((minutes) => minutes === 16))
  }
  stop()
  return durations.toSorted((a, b) => a - b)[Math.floor(0.99 * durations.length)] as number
}

const hedged = hedge({ quantile: 0.95 })
const without = await p99(pipe(remote, timeout({ ms: 2000 })))
requests = 0
const withHedges = await p99(pipe(remote, timeout({ ms: 2000 }), hedged))

assert.ok(without > 400 && withHedges < 100, `${without} ${withHedges}`)
assert.ok(requests <= 2000 * 1.1 + 100, 'no more than its budget')
assert.ok(hedged.counts.won > 0.4 * hedged.counts.sent)
console.log(`p99 of 2000 calls: ${without.toFixed(0)} ms without, ${withHedges.toFixed(0)} ms with hedges, for ${((100 * hedged.counts.sent) / 2000).toFixed(1)} % more requests.`)
