/**
 * What looking after every unit does to tests of two arms: `node --import tsx test/bench/peeking.ts [runs]`, 500 runs by default, some minutes.
 * docs/which-test.md has the table.
 */
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
