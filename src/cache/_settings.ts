/** The options of `cached`, checked once. */
import { functionOption, membersOption, numberOption, optionsObject } from '../core/options.js'
import { InvalidOptionError } from '../core/errors.js'
import { isClose } from '../core/is-close.js'
import type { ExtraWorkBudget } from '../policy/extra-work-budget.js'
import type { CacheStore } from './cache-store.js'
import type { CachedOptions } from './cached.js'
import type { FreshnessRule } from './_freshness.js'
import type { KeyRule } from './_keys.js'
import { quantiser } from './_quantise.js'
import { isInvalidInput } from './_refusal.js'
import { memoryLimits, memoryStore } from './memory-store.js'

/** What a cache goes by. */
export interface Settings<I> {
  readonly store: CacheStore
  readonly storeTimeoutMs: number
  readonly keys: KeyRule<I>
  readonly ttlMs: number | ((output: unknown, input: I) => number) | undefined
  readonly freshness: FreshnessRule
  /** Whether anything depends on time; if not, no clock is read. */
  readonly isTimed: boolean
  readonly refresh: { readonly concurrency: number; readonly timeoutMs: number }
  readonly negativeTtlMs: number | undefined
  readonly refusals: (error: unknown) => boolean
  readonly tags: ((input: I, output: unknown) => readonly string[]) | undefined
  readonly isFreezing: boolean
  readonly audit: { readonly rate: number; readonly agree: (cached: unknown, live: unknown) => boolean; readonly concurrency: number; readonly budget: ExtraWorkBudget | undefined } | undefined
  readonly budget: ExtraWorkBudget | undefined
}

const names = ['max', 'maxBytes', 'store', 'storeTimeoutMs', 'key', 'schema', 'quantise', 'ttlMs', 'staleWhileRevalidateMs', 'staleIfErrorMs', 'staleIfOverloadMs', 'earlyRefresh', 'refresh', 'negativeTtlMs', 'refusals', 'tags', 'freeze', 'audit', 'budget'] as const

const duration = (name: string, value: number | undefined, min = 0): number | undefined => (value === undefined ? undefined : numberOption('cached', name, value, { min, infinite: true }))

/** @throws `ERR_OUTRIGGER_INVALID_OPTION` */
export const settingsOf = <I, O>(options: CachedOptions<I, O>): Settings<I> => {
  optionsObject('cached', options, names)
  const { max, maxBytes, store, ttlMs, schema, quantise, freeze = false } = options
  const limits = { ...(max === undefined ? {} : { max }), ...(maxBytes === undefined ? {} : { maxBytes }) }
  memoryLimits('cached', limits)
  if (store !== undefined) {
    membersOption('cached', 'store', store, ['open', 'describe'])
    if (max !== undefined || maxBytes !== undefined) throw new InvalidOptionError('Cannot create cached as `max` and `maxBytes` are those of the store that is given: set them there')
  }
  if (schema !== undefined && (typeof schema !== 'object' || schema === null || typeof schema.fields !== 'object' || schema.fields === null)) throw new InvalidOptionError(`Cannot create cached as \`schema\` must have \`fields\` (see defineSchema): current value is of type ${typeof schema}`)
  if (quantise !== undefined) quantiser('cached', quantise)
  if (typeof freeze !== 'boolean') throw new InvalidOptionError(`Cannot create cached as \`freeze\` must be a boolean: current value is of type ${typeof freeze}`)
  const staleIfErrorMs = duration('staleIfErrorMs', options.staleIfErrorMs)
  const negativeTtlMs = duration('negativeTtlMs', options.negativeTtlMs, 1)
  const refusals = functionOption('cached', 'refusals', options.refusals)
  if (refusals !== undefined && negativeTtlMs === undefined) throw new InvalidOptionError('Cannot create cached as `refusals` says which errors are kept, and `negativeTtlMs`, for how long: current value of `negativeTtlMs` is undefined')
  const earlyRefresh = numberOption('cached', 'earlyRefresh', options.earlyRefresh ?? 0, { min: 0 })
  const freshness = {
    staleWhileRevalidateMs: duration('staleWhileRevalidateMs', options.staleWhileRevalidateMs),
    staleIfErrorMs,
    staleIfOverloadMs: duration('staleIfOverloadMs', options.staleIfOverloadMs) ?? staleIfErrorMs,
    earlyRefresh,
  }
  const audit = auditOf(options)
  return {
    store: store ?? memoryStore(limits),
    storeTimeoutMs: numberOption('cached', 'storeTimeoutMs', options.storeTimeoutMs ?? 100, { min: 1 }),
    keys: { key: functionOption('cached', 'key', options.key), schema, quantise },
    ttlMs: typeof ttlMs === 'function' ? (ttlMs as (output: unknown, input: I) => number) : duration('ttlMs', ttlMs, 1),
    freshness,
    isTimed: ttlMs !== undefined || (store !== undefined && store.isPrivate !== true) || negativeTtlMs !== undefined || audit !== undefined,
    refresh: refreshOf(options),
    negativeTtlMs,
    refusals: refusals ?? isInvalidInput,
    tags: functionOption('cached', 'tags', options.tags) as Settings<I>['tags'],
    isFreezing: freeze,
    audit,
    budget: budgetOption(options.budget),
  }
}

const refreshOf = <I, O>({ refresh = {} }: CachedOptions<I, O>): Settings<I>['refresh'] => {
  optionsObject('the refresh of cached', refresh, ['concurrency', 'timeoutMs'])
  return {
    concurrency: numberOption('the refresh of cached', 'concurrency', refresh.concurrency ?? 16, { min: 0, integer: true }),
    timeoutMs: numberOption('the refresh of cached', 'timeoutMs', refresh.timeoutMs ?? 30_000, { min: 1, max: 2 ** 31 - 1 }),
  }
}

const auditOf = <I, O>({ audit }: CachedOptions<I, O>): Settings<I>['audit'] => {
  if (audit === undefined) return undefined
  const owner = 'the audit of cached'
  optionsObject(owner, audit, ['rate', 'agree', 'concurrency', 'budget'])
  return {
    rate: numberOption(owner, 'rate', audit.rate, { min: 0, max: 1 }),
    agree: (functionOption(owner, 'agree', audit.agree) as ((cached: unknown, live: unknown) => boolean) | undefined) ?? isClose,
    concurrency: numberOption(owner, 'concurrency', audit.concurrency ?? 4, { min: 1, integer: true }),
    budget: budgetOption(audit.budget),
  }
}

const budgetOption = (budget: ExtraWorkBudget | undefined): ExtraWorkBudget | undefined => (budget === undefined ? undefined : membersOption('cached', 'budget', budget, ['meter']))
