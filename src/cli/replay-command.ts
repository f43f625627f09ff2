/** `outrigger replay`: which recorded answers would come out otherwise, with a status for pipelines. */
import { parseArgs } from 'node:util'
import { systemClock } from '../core/clock.js'
import type { ReplayTolerance } from '../debug/difference.js'
import { replay } from '../debug/replay.js'
import { safeJson } from './safe-json.js'
import { Misuse } from './misuse.js'
import { moduleHelp, predictorModule } from './predictor-module.js'
import { filterHelp, filterOptions, recordFilter } from './record-filter.js'
import { storedRecords } from './stored-records.js'
import type { Terminal } from './terminal.js'

export const replayHelp: string = `outrigger replay <records> --predictor ./module.js

Asks captured predictions again, and says which answers differ, by how much,
where first and among whom. Status: 0 if all are the same, 1 if one differs,
2 if nothing could be compared.

${moduleHelp}
  --tolerance <t>           1e-6 (absolute, relative), or ulps=4,absolute=0.01
  --by <fields>             version,variant,source,day and fields of the input
  --failures                also asks for what ended in an error
  --examples <n>            how many that differ are shown (10)
  --limit <n>               so many predictions at most
  --json                    the report as JSON
${filterHelp}
`

export const replayCommand = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...filterOptions, predictor: { type: 'string' }, export: { type: 'string' }, tolerance: { type: 'string' }, by: { type: 'string' }, failures: { type: 'boolean' }, examples: { type: 'string' }, limit: { type: 'string' }, json: { type: 'boolean' } },
  })
  if (positionals.length > 1) throw new Misuse('one place of records is enough')
  const filter = recordFilter(values, systemClock.wall())
  const limit = wholeNumber('limit', values.limit) ?? Infinity
  const examples = wholeNumber('examples', values.examples)
  const tolerance = toleranceOf(values.tolerance)
  const records = await storedRecords(positionals[0])
  const { subject, options } = await predictorModule(values.predictor, values.export)
  const report = await replay(first(records.read(filter), limit), subject as never, {
    ...options,
    ...(tolerance === undefined ? {} : { tolerance }),
    ...(examples === undefined ? {} : { examples }),
    ...(values.by === undefined ? {} : { by: values.by.split(',').map((name) => name.trim()).filter((name) => name !== '') }),
    ...(values.failures === undefined ? {} : { failures: values.failures }),
  })
  if (values.json === true) terminal.out(safeJson(report))
  else {
    const [line, ...rest] = report.text().split('\n')
    terminal.out(`${terminal.paint(report.answer === 'same' ? 'green' : 'red', line as string)}\n${rest.join('\n')}`)
  }
  if (records.torn > 0) terminal.err(`outrigger replay: ${records.torn} lines were no records\n`)
  return report.answer === 'same' ? 0 : report.answer === 'differs' ? 1 : 2
}

/** So many of them. */
async function* first<T>(records: AsyncIterable<T>, limit: number): AsyncGenerator<T> {
  let count = 0
  if (limit > 0) {
    for await (const record of records) {
      yield record
      count += 1
      if (count >= limit) return
    }
  }
}

export const wholeNumber = (name: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new Misuse(`--${name} must be a whole number: ${JSON.stringify(text)} is none`)
  return Number(text)
}

/** `1e-6`, or `ulps=4,absolute=0.01`. */
export const toleranceOf = (text: string | undefined): ReplayTolerance | undefined => {
  if (text === undefined) return undefined
  const wrong = (): Misuse => new Misuse(`--tolerance is a number, or parts of absolute=, relative=, ulps=: ${JSON.stringify(text)} is none`)
  const number = (part: string): number => {
    if (part === '' || !(Number(part) >= 0) || !Number.isFinite(Number(part))) throw wrong()
    return Number(part)
  }
  if (!text.includes('=')) return number(text)
  const parts = text.split(',').map((part) => part.split('=') as [string, string])
  if (parts.some(([name]) => !['absolute', 'relative', 'ulps'].includes(name))) throw wrong()
  return Object.fromEntries(parts.map(([name, value = '']) => [name, number(value)]))
}
