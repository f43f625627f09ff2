/**
 * A thread of the child process that still looks when the model does not come back: it kills the process when its
 * parent is gone, or when it takes more memory than it may.
 */
import { writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

const everyMs = 250
/** So long the main thread may take to see for itself that the parent is gone, and to end in order. */
const graceMs = 2_000

/**
 * The thread is a few lines of text, so that it needs no file. It ends the process by SIGKILL: nothing less reaches a
 * thread that is inside of native code.
 */
const program = `
const { writeSync } = require('node:fs')
const { workerData: { parent, maxMemoryBytes } } = require('node:worker_threads')
const isAlone = () => {
  if (process.ppid !== parent) return true
  try { process.kill(parent, 0); return false } catch (error) { return error.code === 'ESRCH' }
}
let alone = 0
setInterval(() => {
  alone = isAlone() ? alone + 1 : 0
  if (alone * ${everyMs} > ${graceMs}) process.kill(process.pid, 'SIGKILL')
  const rss = process.memoryUsage.rss()
  if (rss <= maxMemoryBytes) return
  writeSync(2, 'outrigger: the process takes ' + rss + ' bytes of memory and may take ' + maxMemoryBytes + ': it ends itself\\n')
  process.kill(process.pid, 'SIGKILL')
}, ${everyMs})
`

/** Starts it. The thread keeps nothing alive. */
export const startWatchdog = (parent: number, maxMemoryBytes: number): void => {
  const thread = new Worker(program, { eval: true, workerData: { parent, maxMemoryBytes }, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 } })
  thread.unref()
  // Without it a model that hangs while its parent is killed stays behind: worth a line, not worth the model.
  thread.on('error', (error) => writeSync(2, `outrigger: the watchdog of the process ended: ${error.message}\n`))
}
