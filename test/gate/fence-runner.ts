/**
 * Runs the fences of a list one after the other in this process and tells the parent about each by IPC. The parent starts it again
 * behind a fence that hung or ended the process. Nothing here keeps the event loop alive, so that a fence that awaits
 * an unref'ed timer ends the process as it would at a user's.
 */
import './fence-globals.js'
import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'

/** What the parent is told. */
export interface FenceReport {
  readonly file: string
  readonly error?: string
}

const show = (error: unknown): string => (error instanceof Error ? (error.stack ?? String(error)) : `a thrown ${String(error)}`)

let stray: unknown
let strayed = false
for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
  process.on(event, (error: unknown) => {
    strayed = true
    stray = error
  })
}

for (const file of readFileSync(process.argv[2] as string, 'utf8').split('\n')) {
  let error: string | undefined
  try {
    await import(pathToFileURL(file).href)
  } catch (thrown) {
    error = show(thrown)
  }
  await setImmediate()
  if (strayed) error ??= `nobody handled: ${show(stray)}`
  strayed = false
  const report: FenceReport = { file, ...(error === undefined ? {} : { error }) }
  await new Promise((sent) => process.send?.(report, sent))
}
process.exit(0)
