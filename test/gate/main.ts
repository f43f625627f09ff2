/**
 * The gate: `npm test`. Everything that must hold before a change lands, two steps at a time.
 *
 * `npm test -- --only types,unit` runs some steps (and what they need), `npm test -- --list` names them. With CI=true
 * nothing may be skipped, and the consumer test runs on every supported Node.
 */
import { parseArgs } from 'node:util'
import { killAll } from './command.js'
import { countOf, runSteps, selectSteps, type Ended } from './step.js'
import { steps } from './steps.js'

const { values } = parseArgs({ options: { only: { type: 'string' }, list: { type: 'boolean' } } })
const ci = process.env['CI'] === 'true'
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`.padStart(8)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killAll()
    process.exit(130)
  })
}

/** The beginning and the end of what a failed step printed. */
const excerpt = (output: string): string => {
  const lines = output.trim().split('\n')
  return (lines.length <= 240 ? lines : [...lines.slice(0, 120), `… ${lines.length - 240} lines left out …`, ...lines.slice(-120)]).map((line) => `  | ${line.slice(0, 500)}`).join('\n')
}

const report = (end: Ended): void => {
  const bad = end.failed > 0 || (ci && (end.skipped ?? []).length > 0)
  const counts = [`${end.passed} passed`, ...(end.failed > 0 ? [`${end.failed} FAILED`] : []), ...((end.skipped ?? []).length > 0 ? [`${end.skipped?.length} skipped`] : [])]
  console.log(`${bad ? '✗' : '✓'} ${end.name.padEnd(11)} ${seconds(end.ms)}  ${counts.join(', ')}`)
  for (const note of end.notes ?? []) console.log(`    ${note}`)
  for (const skipped of end.skipped ?? []) console.log(`    skipped: ${skipped}`)
  if (bad) console.log(excerpt(end.output ?? ''))
}

if (values.list === true) {
  for (const step of steps) console.log(`${step.name.padEnd(12)}${(step.needs ?? []).length > 0 ? `needs ${step.needs?.join(', ')}` : ''}`)
} else {
  const started = performance.now()
  const chosen = values.only === undefined ? steps : selectSteps(steps, values.only.split(','))
  console.log(`gate of outrigger on Node ${process.versions.node}: ${chosen.map((step) => step.name).join(', ')}`)
  const ended = await runSteps(chosen, 2, report)
  const { passed, failed, skipped } = countOf(ended, ci)
  if (failed > 0) console.log(`\nfailed: ${ended.filter((end) => end.failed > 0 || (ci && (end.skipped ?? []).length > 0)).map((end) => end.name).join(', ')}`)
  console.log(`\n${chosen.length} of ${steps.length} steps in ${seconds(performance.now() - started).trim()}`)
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}
