/**
 * What looking after every unit does to tests of two arms: `node --import tsx test/bench/peeking.ts [runs]`, 500 runs by default, some minutes.
 * docs/which-test.md has the table.
 */
import { SampleRatio } from '../../src/experiment/index.js'
import { seeded } from '../drift/_seeded.js'
import { alarms, latencies, rates, tests, type Stream } from '../experiment/_peeking.js'

const runs = Number(process.argv[2] ?? 500)
const say = (name: string, stream: Stream, times = runs): void => {
  const found = alarms(times, stream)
  console.log(`| ${name}, ${stream.units} units | ${tests.map((test) => (test.startsWith('count') || test.startsWith('rate')) && !stream.isRate ? '–' : `${(100 * found[test].share).toFixed(1)} % (${found[test].median})`).join(' | ')} |`)
}

console.log(`${runs} runs: with an alarm at 5 % (the median unit of it)\n\n| | ${tests.join(' | ')} |\n|${'---|'.repeat(tests.length + 1)}`)
say('no difference, rate .1', rates(0.1, 0.1, 100_000))
say('no difference, rate .01', rates(0.01, 0.01, 100_000))
say('no difference, rate .001', rates(0.001, 0.001, 100_000))
say('no difference, log-normal, σ 1', latencies(1, 1, 50_000))
say('no difference, log-normal, σ 1.5', latencies(1.5, 1, 50_000))
for (const share of [0.1, 0.02]) {
  for (const rate of [0.1, 0.02, 0.001]) say(`no difference, rate ${rate}, treatment ${100 * share} %`, { ...rates(rate, rate, 50_000), share }, runs / 2)
  say(`no difference, log-normal, σ 1, treatment ${100 * share} %`, { ...latencies(1, 1, 50_000), share }, runs / 2)
  say(`no difference, log-normal, σ 1.5, treatment ${100 * share} %`, { ...latencies(1.5, 1, 50_000), share }, runs / 2)
}
say('.1 and .11', rates(0.1, 0.11, 100_000), runs / 5)
say('.1 and .12', rates(0.1, 0.12, 50_000), runs / 5)
say('.01 and .02', rates(0.01, 0.02, 50_000), runs / 5)
say('.001 and .003', rates(0.001, 0.003, 100_000), runs / 5)
say('log-normal, σ 1, 10 % slower', latencies(1, 1.1, 50_000), runs / 5)

/** Users until a mismatch is told, at most `most`; looked at after every one. */
const untilMismatch = (seed: number, most: number, truth: number, weights: (user: number) => readonly [number, number]): number => {
  const random = seeded(seed)
  const ratio = new SampleRatio({ arms: 2 })
  for (let user = 1; user <= most; user++) {
    const expected = weights(user)
    ratio.expose(random.uniform() < expected[0] + truth ? 0 : 1, expected)
    if (ratio.isMismatch) return user
  }
  return Infinity
}
const half = [0.5, 0.5] as const
const small = [0.95, 0.05] as const
const larger = [0.8, 0.2] as const
const many = 40 * runs
for (const [name, weights] of [['even', () => half], ['5 %, then 20 %', (user: number) => (user < 5000 ? small : larger)]] as const) {
  const alarmed = Array.from({ length: many }, (_, run) => untilMismatch(run + 1, 20_000, 0, weights)).filter(Number.isFinite).length
  console.log(`\nsample ratio, ${name}, nothing wrong, 20 000 users, ${many} runs: ${((100 * alarmed) / many).toFixed(3)} % alarm (asked: 0.1)`)
}
const found = Array.from({ length: runs / 2 }, (_, run) => untilMismatch(run + 1, 400_000, 0.01, () => half)).sort((a, b) => a - b)
console.log(`sample ratio, 51 to 49 where 50 to 50 was asked: found after ${found[found.length >> 1]} users (median of ${found.length})`)
