#!/usr/bin/env node
/* oxlint-disable no-restricted-properties -- Here is where the process ends. */
/** The program `outrigger`. */
import { isError } from '../core/errors.js'
import { plainText } from '../debug/shown.js'
import { main } from './main.js'
import { terminalOf } from './terminal.js'

const terminal = terminalOf(process)
let isThrough = false
/** What became of the output: 0 if its reader has seen enough (`outrigger inspect … | head`), 2 if it cannot be written. */
let lost: 0 | 2 | undefined
let isCut = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => (lost = error.code === 'EPIPE' ? 0 : 2))

// What a command has open or made for the time being goes as it would after any error.
const out = (text: string): void => {
  isCut ||= lost !== undefined
  if (isCut) throw new Error('Nobody reads.')
  terminal.out(text)
}
const err = (text: string): void => {
  if (!isCut) terminal.err(text)
}

const end = (status: number): void => {
  isThrough = true
  process.exit(status)
}

// Whatever the module of the user does, only a command that came to its end may pass a pipeline, or say that something differs.
process.on('exit', () => {
  if (isThrough) return
  process.exitCode = 2
  terminal.err('outrigger: it ended without an answer, as something never settles that it waits for, or the module ended the process\n')
})
process.on('uncaughtException', (error: unknown) => {
  terminal.err(`outrigger: nobody caught what the module threw: ${plainText(isError(error) ? error.message : String(error), 2000)}\n`)
  end(2)
})

// What a module of the user keeps open (a watch, a pool) must not keep a pipeline waiting; what was printed is out first.
main(process.argv.slice(2), { ...terminal, out, err }).then((status) => process.stdout.write('', () => end(lost === 2 ? 2 : isCut ? 0 : status)))
