/** A release that is promoted by evidence, and one that rolls itself back: what a person would paste into a ticket. */
import { strict as assert } from 'node:assert'
import { setImmediate as turn } from 'node:timers/promises'
import { predictor, seededRandom } from 'outrigger'
import { failureMetric, rateMetric } from 'outrigger/experiment'
import { rollout, type Rollout, type RolloutPlan } from 'outrigger/route'

interface Flight {
  readonly delay: number
}

const version = (number: string, threshold: number, failures = 0) => {
  const random = seededRandom(Number(number))
  return predictor(
    ({ delay }: Flight) => {
      if (random.next() < failures) throw new Error('no such airport')
      return delay > threshold
    },
    { name: 'delay', version: number },
  )
}
const digestOf: Record<string, string> = { 3: '9c1a5e', 4: '07fe22', 5: 'd41b90' }

const plan: RolloutPlan = {
  shadow: { rate: 0.5, minRows: 50, maxFailures: 0.8 }, // an eager plan; 1 % is usual, and would have stopped the broken one here
  steps: [{ weight: 0.05, minUnits: 20 }, { weight: 0.5, minUnits: 200 }],
  evidence: { metrics: [failureMetric(), rateMetric({ name: 'right', better: 'higher', fromLabel: ({ label }) => label.value as boolean })] },
  coolDownMs: 0,
}

const traffic = seededRandom(7)
const serve = async (release: Rollout<Flight, boolean>, from: number, to: number): Promise<void> => {
  for (let i = from; i < to && release.status.end === undefined; i++) {
    const delay = 30 * traffic.next()
    const late = await release({ delay }, { key: `flight-${i}`, id: `p-${i}` }).catch(() => undefined)
    if (late !== undefined) release.label(`p-${i}`, late === delay > 10, Date.now())
    if (i % 50 === 0) {
      await turn() // the shadow runs when the loop is free
      await release.tick()
    }
  }
}

for (const [name, candidate] of [['good', version('4', 10)], ['broken', version('5', 10, 0.4)]] as const) {
  const control = version('3', 15)
  const release = await rollout<Flight, boolean>({
    name: `delay-${name}`,
    control,
    candidate,
    plan,
    versionOf: (arm) => {
      const { identity } = arm === 'control' ? control : candidate
      return { ...identity, digest: digestOf[identity.version] as string }
    },
    shadow: { agree: () => true, guard: false },
    everyMs: 0,
  })
  await release.start({ by: 'ann' })
  await serve(release, 0, 20_000)
  await release.tick()
  console.log(`${release.text()}\n`)
  assert.equal(release.status.stage, name === 'good' ? 'promoted' : 'rolled-back')
  await release.close()
}
