/**
 * Runs the judges, or those that are named: `npm run judges -- tfjs-node`. Prints a line per check, writes the dated
 * page of each to `test/judges/results/`, and ends with 1 if a check failed. A judge that cannot run here says so and
 * leaves its page alone; with CI=true that is a failure too.
 */
import { fork } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Verdict } from './judge.js'
import { page, plain } from './page.js'

const limitMs = 45 * 60_000
const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../..')
const fileOf = (name: string): string => join(here, name, 'judge.ts')

type Outcome = { readonly verdict: Verdict } | { readonly cannot: string } | { readonly crashed: string }

const run = (name: string): Promise<Outcome> =>
  new Promise((resolve) => {
    // A group of its own, so that nothing a judge started outlives it.
    const child = fork(join(here, 'run-one.ts'), [fileOf(name)], { cwd: root, execArgv: ['--import', 'tsx'], detached: true })
    let outcome: Outcome | undefined
    const end = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    const interrupted = (): void => {
      end()
      process.exit(130)
    }
    process.once('SIGINT', interrupted)
    const timer = setTimeout(() => {
      outcome = { crashed: `did not end within ${limitMs / 60_000} minutes` }
      end()
    }, limitMs)
    child.on('message', (message) => (outcome = message as Outcome))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupted)
      end()
      resolve(outcome ?? { crashed: `ended with ${signal ?? `exit status ${code}`} before its verdict` })
    })
  })

const all = readdirSync(here).filter((name) => existsSync(fileOf(name)))
const named = process.argv.slice(2)
const unknown = named.filter((name) => !all.includes(name))
if (unknown.length > 0) {
  console.error(`There is no judge ${unknown.join(', ')}. Judges: ${all.join(', ')}`)
  process.exit(2)
}

const failures: string[] = []
const skipped: string[] = []
for (const name of named.length > 0 ? named : all) {
  console.log(`\n${name}`)
  const outcome = await run(name)
  if ('cannot' in outcome) {
    skipped.push(name)
    console.warn(`SKIPPED: ${name} cannot run here, and its result stays as it was: ${outcome.cannot}`)
    continue
  }
  // A judge that crashed wrote no page: the last one that came to an end stays.
  if ('crashed' in outcome || outcome.verdict.checks.length === 0) {
    failures.push(name)
    console.error(`FAIL  ${name} ${'crashed' in outcome ? outcome.crashed : 'checked nothing'}`)
    continue
  }
  const { checks } = outcome.verdict
  for (const { name: what, ok, detail } of checks) console.log(`${ok ? 'ok   ' : 'FAIL '} ${what}: ${plain(detail)}`)
  if (checks.some(({ ok }) => !ok)) failures.push(name)
  mkdirSync(join(here, 'results'), { recursive: true })
  writeFileSync(join(here, 'results', `${name}.md`), page(name, outcome.verdict, new Date().toISOString().slice(0, 10)))
  console.log(`test/judges/results/${name}.md: ${checks.length} checks`)
}

if (skipped.length > 0) console.warn(`\nSKIPPED: ${skipped.join(', ')}`)
if (failures.length > 0) console.error(`\nfailed: ${failures.join(', ')}`)
if (failures.length > 0 || (skipped.length > 0 && process.env['CI'] === 'true')) process.exitCode = 1
