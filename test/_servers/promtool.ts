/** Debian's `promtool`, the judge of what is meant for Prometheus. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whether it is installed. With CI=true its absence is an error and not a skip. */
export const hasPromtool = (): boolean => {
  const found = spawnSync('promtool', ['--version']).status === 0
  if (!found && process.env['CI'] === 'true') throw new Error('promtool is not installed, and CI=true: install the package prometheus (.ci/run does).')
  if (!found) console.warn('SKIPPED: promtool is not installed, so that it does not judge what is meant for Prometheus.')
  return found
}

/** Runs it in a temporary folder with these files; gives its status and what it said. */
export const promtool = (args: readonly string[], files: Readonly<Record<string, string>>): { readonly status: number | null; readonly output: string } => {
  const cwd = mkdtempSync(join(tmpdir(), 'outrigger-promtool-'))
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
    const { status, stdout, stderr } = spawnSync('promtool', args, { cwd, encoding: 'utf8' })
    return { status, output: stdout + stderr }
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
}
