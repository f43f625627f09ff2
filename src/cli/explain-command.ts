/** `outrigger explain`: the path that one prediction took. */
import { parseArgs } from 'node:util'
import { explain } from '../debug/explain.js'
import { Misuse } from './misuse.js'
import { moduleHelp, predictorModule, type PredictorModule } from './predictor-module.js'
import { toleranceOf } from './replay-command.js'
import { safeJson } from './safe-json.js'
import { storedRecords } from './stored-records.js'
import type { Terminal } from './terminal.js'

export const explainHelp: string = `outrigger explain <records> <id> [--predictor ./module.js]

Follows the path that one prediction took, to the first stage that would do
otherwise now. Status: 0 if none does, 1 if one does, 2 if none could be
looked at but cache and schema.

${moduleHelp}: features, route, store
  --tolerance <t>           1e-6 (absolute, relative), or ulps=4,absolute=0.01
  --json                    the explanation as JSON
`

export const explainCommand = async (args: readonly string[], terminal: Terminal): Promise<number> => {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: { predictor: { type: 'string' }, export: { type: 'string' }, tolerance: { type: 'string' }, json: { type: 'boolean' } } })
  const [path, id, ...more] = positionals
  if (id === undefined || more.length > 0) throw new Misuse('say where the records are, and the id of one prediction')
  const tolerance = toleranceOf(values.tolerance)
  const source = await storedRecords(path)
  const explanation = await explain(id, { source, ...explainOptions(values.predictor === undefined ? undefined : await predictorModule(values.predictor, values.export)), ...(tolerance === undefined ? {} : { tolerance }) })
  terminal.out(values.json === true ? safeJson(explanation) : explanation.text().replace(/^(?:Nothing|First difference).*$/m, (line) => terminal.paint(explanation.answer === 'same' ? 'green' : 'red', line)))
  return explanation.answer === 'same' ? 0 : explanation.answer === 'differs' ? 1 : 2
}

const explainOptions = (from: PredictorModule | undefined): object => {
  if (from === undefined) return {}
  const { input, output, as, complete, tolerance } = from.options
  const given = { input, output, as, complete, tolerance, ...from.explain, predictor: from.subject }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
