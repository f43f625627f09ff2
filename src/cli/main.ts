/** The commands, their help, and what becomes of errors. Every command gives the status that the program ends with. */
import { isError } from '../core/errors.js'
import { plainText } from '../debug/shown.js'
import { explainCommand, explainHelp } from './explain-command.js'
import { inspectCommand, inspectHelp } from './inspect-command.js'
import { Misuse } from './misuse.js'
import { replayCommand, replayHelp } from './replay-command.js'
import type { Terminal } from './terminal.js'

const commands: Readonly<Record<string, readonly [run: (args: readonly string[], terminal: Terminal) => Promise<number>, help: string]>> = {
  inspect: [inspectCommand, inspectHelp],
  replay: [replayCommand, replayHelp],
  explain: [explainCommand, explainHelp],
}

const help = `outrigger <command> …

  inspect <records>               what was captured: list, show, compare, SQL
  replay <records> --predictor …  asks them again; status 1 if an answer differs
  explain <records> <id> …        the path that one of them took

outrigger <command> --help says more. <records> is a directory of segments or a
JSONL file. Status: 0 fine, 1 something differs, 2 misuse or nothing to do.
`

/** Runs a command. It never rejects. */
export const main = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  const [name = '--help', ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    terminal.out(help)
    return args.length === 0 ? 2 : 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    terminal.err(`outrigger: there is no command ${plainText(JSON.stringify(name), 60)}\n\n${help}`)
    return 2
  }
  const [run, text] = command
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.out(text)
    return 0
  }
  try {
    return await run(rest, terminal)
  } catch (error) {
    const isMisuse = error instanceof Misuse || (isError(error) && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    terminal.err(`outrigger ${name}: ${plainText(isError(error) ? error.message : String(error), 2000)}\n${isMisuse ? `\n${text}` : ''}`)
    return 2
  }
}
