/**
 * Runs every case against every library, each in a process of its own with a time limit, so that a hang and a crash are
 * observations; writes `docs/zoo.md`. Arguments: words that a case's id must contain, to run a part and print it.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { families } from './cases.js'
import type { Result, ZooCase } from './kit.js'
import { hasSameCode, librariesInstalled, versionOf, type Library } from './libraries.js'
import { page, type Outcome, type Outcomes } from './page.js'

const limitMs = 60_000
const root = fileURLToPath(new URL('../..', import.meta.url))
const runOne = fileURLToPath(new URL('run-one.ts', import.meta.url))

const runCase = (one: ZooCase, { subject, aliases, node }: Library): Promise<Outcome> =>
  new Promise((resolve) => {
    // The name of tsx is resolved from the root, whichever Node runs it.
    const child = spawn(node.path, ['--no-warnings=ExperimentalWarning', '--import', 'tsx', runOne, one.id, subject, ...aliases], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let problems = ''
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      child.kill('SIGKILL')
    }, limitMs)
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (problems += chunk.toString()))
    child.on('close', (code) => {
      clearTimeout(timer)
      const last = out.trim().split('\n').at(-1) ?? ''
      if (isLate) resolve({ verdict: 'fails', observed: `did not end within ${limitMs / 1000} s`, crashed: true })
      else if (last.startsWith('{')) resolve(JSON.parse(last) as Result)
      else resolve({ verdict: 'fails', observed: code === 0 || code === 13 ? `the process ended before the scenario did (exit ${code})` : `crashed: ${(/^\w*(?:Error|Exception).*$/m.exec(problems)?.[0] ?? problems.trim().split('\n')[0] ?? '').slice(0, 160)}`, crashed: true })
    })
  })

const words = process.argv.slice(2)
const libraries = librariesInstalled()
const outcomes = new Map<string, Map<string, Outcome>>()
const jobs = families
  .flatMap(({ cases }) => cases)
  .filter(({ id }) => words.every((word) => id.includes(word)))
  .flatMap((one) => libraries.filter(({ subject }) => one.subjects.includes(subject)).map((library) => ({ one, library })))

// One at a time: a scenario in real time wants the machine for itself.
for (const { one, library } of jobs) {
  const outcome = await runCase(one, library)
  if (!outcomes.has(one.id)) outcomes.set(one.id, new Map())
  outcomes.get(one.id)?.set(library.label, outcome)
  console.log(`${outcome.verdict === 'passes' ? 'ok  ' : outcome.verdict === 'fails' ? 'FAIL' : '-   '}  ${library.label.padEnd(18)}  ${one.id.padEnd(44)}  ${outcome.observed}`)
}

const ours = [...outcomes].filter(([, byLibrary]) => byLibrary.get('outrigger')?.verdict !== 'passes').map(([id]) => id)
if (ours.length > 0) {
  console.error(`outrigger does not pass: ${ours.join(', ')}`)
  process.exitCode = 1
}
if (words.length === 0) {
  const notes = hasSameCode('opossum', 'opossum-10', 'lib') ? [`opossum ${versionOf('opossum-10')} has the same code in \`lib\` as ${versionOf('opossum')}, byte for byte; it only asks for Node 22.`] : []
  writeFileSync(new URL('../../docs/zoo.md', import.meta.url), `${page(families, libraries, outcomes as Outcomes, { date: new Date().toISOString().slice(0, 10), notes })}`)
  console.log(`docs/zoo.md: ${outcomes.size} cases, ${jobs.length} runs`)
}
