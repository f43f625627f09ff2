#!/usr/bin/env node
/** The program `outrigger`. */
import { main } from './main.js'
import { terminalOf } from './terminal.js'

const terminal = terminalOf(process)
// Whoever reads may have seen enough: `outrigger inspect … | head`.
// oxlint-disable-next-line no-restricted-properties -- Here is where the process ends.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 2))
// What a module of the user keeps open (a watch, a pool) must not keep a pipeline waiting; what was printed is out first.
// oxlint-disable-next-line no-restricted-properties -- Here is where the process ends.
main(process.argv.slice(2), terminal).then((status) => process.stdout.write('', () => process.exit(status)))
