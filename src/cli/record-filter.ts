/** Which predictions a command is about: the options that the commands share. */
import type { RecordFilter, StoredPrediction, StoredRecord } from '../capture/stored-record.js'
import type { MaskedValue } from '../core/masking.js'
import { Misuse } from './misuse.js'

/** The options, as `parseArgs` of Node takes them. */
export const filterOptions = {
  since: { type: 'string' },
  until: { type: 'string' },
  outcome: { type: 'string' },
  source: { type: 'string' },
  version: { type: 'string' },
  variant: { type: 'string' },
  where: { type: 'string', multiple: true },
} as const

/** What `parseArgs` gives for them. */
export type FilterValues = { readonly [K in keyof typeof filterOptions]?: (typeof filterOptions)[K] extends { multiple: true } ? string[] | undefined : string | undefined }

export const filterHelp = `  --since, --until <time>   2001-02-03, 2001-02-03T04:05Z, or 90m, 24h, 7d ago
  --outcome, --source <x>   ok, error, timeout…; model, cache, fallback…
  --version <v>             the version that answered
  --variant <v>             canary, or split=canary
  --where <comparison>      km>500, output.late=true, input.city~York; by
                            = != < <= > >= and ~ (part of a text); repeatable`

/** The predictions that are wanted. `now` is what relative times count from. */
export const recordFilter = (values: FilterValues, now: number): RecordFilter & { readonly where: (record: StoredRecord) => record is StoredPrediction } => {
  const { outcome, source, version, variant } = values
  const comparisons = (values.where ?? []).map(comparison)
  const [from, to] = [timeOf(values.since, now), timeOf(values.until, now)]
  return {
    kinds: ['prediction'],
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    where: (record): record is StoredPrediction =>
      record.kind === 'prediction' &&
      (outcome === undefined || record.outcome === outcome) &&
      (source === undefined || record.source === source) &&
      (version === undefined || record.identity.version === version) &&
      (variant === undefined || record.variants.some((choice) => variant === choice.variant || variant === `${choice.split}=${choice.variant}`)) &&
      comparisons.every((holds) => holds(record)),
  }
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const timeOf = (text: string | undefined, now: number): number | undefined => {
  if (text === undefined) return undefined
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text) ?? []
  if (count !== undefined) return now - Number(count) * (units[unit as string] as number)
  const at = /^\d{4}-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw new Misuse(`a time is 2001-02-03, 2001-02-03T04:05Z, or 90m, 24h, 7d ago: ${JSON.stringify(text)} is none`)
  return at
}

type Holds = (record: StoredPrediction) => boolean

const comparison = (text: string): Holds => {
  const [, path, operator, value] = /^\s*([^=!<>~\s]+)\s*(=|!=|<=|>=|<|>|~)\s*(.*?)\s*$/.exec(text) ?? []
  if (path === undefined || value === undefined) throw new Misuse(`a comparison is a field, one of = != < <= > >= ~, and a value: ${JSON.stringify(text)} is none`)
  const [side, name] = /^(input|output)\.(.+)$/.exec(path)?.slice(1) ?? [undefined, path]
  const number = value === '' ? Number.NaN : Number(value)
  return ({ input, output }) => {
    const of = (fields: typeof input): MaskedValue | undefined => (fields !== undefined && fields !== null && Object.hasOwn(fields, name as string) ? fields[name as string] : undefined)
    const held = side === 'output' ? of(output) : side === 'input' ? of(input) : (of(input) ?? of(output))
    if (held === undefined) return operator === '!='
    const isNumber = typeof held === 'number' && !Number.isNaN(number)
    const [a, b] = [numeric(held), numeric(value) ?? number]
    switch (operator) {
      case '=':
        return isNumber ? held === number : String(held) === value
      case '!=':
        return isNumber ? held !== number : String(held) !== value
      case '~':
        return String(held).toLowerCase().includes(value.toLowerCase())
      default:
        if (a !== undefined && !Number.isNaN(number)) return !Number.isNaN(a) && order(operator as string, a < b ? -1 : a > b ? 1 : 0)
        return typeof held === 'string' && order(operator as string, held < value ? -1 : held > value ? 1 : 0)
    }
  }
}

/** What is compared as a number: whole numbers beyond 2^53, and those that JSON has no word for, are kept as texts. */
const numeric = (value: MaskedValue): number | bigint | undefined =>
  typeof value === 'number' ? value : typeof value !== 'string' ? undefined : /^-?\d+$/.test(value) ? BigInt(value) : /^(?:NaN|-?Infinity)$/.test(value) ? Number(value) : undefined

const order = (operator: string, difference: number): boolean => (operator === '<' ? difference < 0 : operator === '<=' ? difference <= 0 : operator === '>' ? difference > 0 : difference >= 0)
