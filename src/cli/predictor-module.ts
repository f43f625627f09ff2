/** The module of a user that says who is asked, and how. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ExplainOptions } from '../debug/explain.js'
import type { ReplayOptions } from '../debug/replay.js'
import { Misuse } from './misuse.js'

/** What a module may export: who is asked, by default or by name, and options of `replay` and `explain`. */
export interface PredictorModule {
  readonly subject: NonNullable<ExplainOptions<unknown, unknown>['predictor']>
  readonly options: ReplayOptions<unknown>
  readonly explain: Partial<ExplainOptions<unknown, unknown>>
}

export const moduleHelp = `  --predictor <module>      exports by default a predictor, or a function of
                            { clock, random, record } that makes one for each
                            record; may export \`options\` (of replay), \`explain\`
  --export <name>           another export of it`

/** Loads it. What it throws is told as it is. */
export const predictorModule = async (path: string | undefined, name = 'default'): Promise<PredictorModule> => {
  if (path === undefined) throw new Misuse('say who is asked: --predictor ./module.js')
  const loaded = (await import(/* @vite-ignore */ pathToFileURL(resolve(path)).href)) as Readonly<Record<string, unknown>>
  // Of a CommonJS module, the default export has the names.
  const from = name === 'default' && typeof loaded['default'] === 'object' && loaded['default'] !== null ? (loaded['default'] as Readonly<Record<string, unknown>>) : loaded
  const subject = from[name]
  if (typeof subject !== 'function') throw new Misuse(`${JSON.stringify(path)} must export a predictor, or a function that makes one, as \`${name}\`: it is of type ${typeof subject}`)
  return { subject: subject as PredictorModule['subject'], options: (from['options'] ?? {}) as PredictorModule['options'], explain: (from['explain'] ?? {}) as PredictorModule['explain'] }
}
