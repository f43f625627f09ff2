/** The options of {@link isolated}. */
import type { Clock } from '../../core/clock.js'
import { InvalidOptionError } from '../../core/errors.js'
import { numberOption, optionsObject, stringOption } from '../../core/options.js'
import type { Random } from '../../core/random.js'

/** Where a model computes. */
export type Isolation = 'inline' | 'worker' | 'process'

/** Options of {@link isolated}. */
export interface IsolationOptions {
  /**
   * `inline`: in this thread. `worker`: in worker threads, so that the event loop is free; one that crashes by an error
   * or by its heap is started again, but native code that crashes takes this process with it, and one that hangs cannot
   * be ended. `process`: in child processes, which may crash, hang and be killed.
   */
  readonly isolate: Isolation
  /** So many workers or processes, each with the whole model, and one run at a time in each. @default 1 */
  readonly workers?: number
  /** So many runs wait at most when all are busy. @default 1000 */
  readonly maxQueue?: number
  /**
   * The longest that a run may take, in milliseconds. Then a process is killed; a worker cannot be, so it is given up
   * and replaced (two of them at most). It protects from runs that hang: a caller's patience is `timeout`'s.
   * @default 30_000
   */
  readonly deadlineMs?: number
  /** The longest that loading or disposing a model may take, in milliseconds. @default 120_000 */
  readonly loadDeadlineMs?: number
  /**
   * What becomes of a run whose worker or process crashed. `idempotent`: it is run once more, elsewhere or after the
   * restart, unless its caller said `idempotent: false`, or it was killed at its deadline. `never`: it fails. In a worker
   * `idempotent` costs a copy of the inputs, which are moved there otherwise.
   * @default 'idempotent' for processes, 'never' for workers
   */
  readonly replay?: 'idempotent' | 'never'
  /** After more crashes within a minute the model is given up: all calls fail at once. @default 10 */
  readonly maxCrashes?: number
  /**
   * The memory that each may take, in bytes. A process: all of it (resident), looked at four times a second. A worker:
   * its JavaScript heap; what native code takes is not seen.
   * @default no limit
   */
  readonly maxMemoryBytes?: number
  /**
   * How much they give way to others when cores are scarce, 0 to 19 as `nice` has it: 19 for a model that nobody waits for. Workers on Linux, where a thread
   * has a priority of its own, and processes everywhere.
   * @default 0
   */
  readonly niceness?: number
  /** Processes: one more is started and waits, its engine ready, to take the place of one that crashed. @default false */
  readonly standby?: boolean
  /** The program to start, where outrigger is bundled: a file that calls `isolateMain()`. @default outrigger's own */
  readonly entry?: URL
  /** Flags of Node for them. @default those of this process, without a debugger's */
  readonly execArgv?: readonly string[]
  /** The environment that they see. @default that of this process */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** @default the machine's clock */
  readonly clock?: Clock
  /** Spreads restarts. @default the machine's */
  readonly random?: Random
}

/** The options by name, for those who pass them on. */
export const isolationOptionNames = ['isolate', 'workers', 'maxQueue', 'deadlineMs', 'loadDeadlineMs', 'replay', 'maxCrashes', 'maxMemoryBytes', 'niceness', 'standby', 'entry', 'execArgv', 'env', 'clock', 'random'] as const

/** The options with what is left out filled in. */
export interface IsolationSettings {
  readonly isolate: 'worker' | 'process'
  readonly workers: number
  readonly maxQueue: number
  readonly deadlineMs: number
  readonly loadDeadlineMs: number
  readonly replay: 'idempotent' | 'never'
  readonly maxCrashes: number
  readonly maxMemoryBytes: number
  readonly niceness: number
  readonly standby: boolean
  readonly entry: URL | undefined
  readonly execArgv: readonly string[] | undefined
  readonly env: Readonly<Record<string, string | undefined>> | undefined
}

const owner = 'isolated'

const oneOf = <T extends string>(name: string, value: unknown, values: readonly T[]): T => {
  if (!values.includes(value as T)) throw new InvalidOptionError(`Cannot create ${owner} as \`${name}\` must be ${values.map((one) => `'${one}'`).join(', ')}: current value is ${JSON.stringify(value) ?? String(value)}`)
  return value as T
}

/** Checks the options. `undefined`: the engine stays where it is. @throws `ERR_OUTRIGGER_INVALID_OPTION` */
export const isolationSettings = (options: IsolationOptions, more: readonly string[] = []): IsolationSettings | undefined => {
  optionsObject(owner, options, [...isolationOptionNames, ...more])
  const isolate = oneOf('isolate', options.isolate, ['inline', 'worker', 'process'])
  const { workers = 1, maxQueue = 1000, deadlineMs = 30_000, loadDeadlineMs = 120_000, replay = isolate === 'process' ? 'idempotent' : 'never', maxCrashes = 10, maxMemoryBytes = Infinity, niceness = 0, standby = false, entry, execArgv, env } = options
  numberOption(owner, 'workers', workers, { min: 1, max: 1024, integer: true })
  numberOption(owner, 'maxQueue', maxQueue, { min: 0, integer: true })
  numberOption(owner, 'deadlineMs', deadlineMs, { min: 1, infinite: true })
  numberOption(owner, 'loadDeadlineMs', loadDeadlineMs, { min: 1, infinite: true })
  oneOf('replay', replay, ['idempotent', 'never'])
  numberOption(owner, 'maxCrashes', maxCrashes, { min: 0, integer: true, infinite: true })
  numberOption(owner, 'maxMemoryBytes', maxMemoryBytes, { min: 1, infinite: true })
  numberOption(owner, 'niceness', niceness, { min: 0, max: 19, integer: true })
  if (typeof standby !== 'boolean') throw new InvalidOptionError(`Cannot create ${owner} as \`standby\` must be true or false: current value is ${String(standby)}`)
  if (standby && isolate !== 'process') throw new InvalidOptionError(`Cannot create ${owner} as \`standby\` must stand with \`isolate: 'process'\`: current value is '${isolate}'`)
  if (entry !== undefined && !(entry instanceof URL && entry.protocol === 'file:')) throw new InvalidOptionError(`Cannot create ${owner} as \`entry\` must be a URL of a file: current value is ${String(entry)}`)
  if (execArgv !== undefined && !Array.isArray(execArgv)) throw new InvalidOptionError(`Cannot create ${owner} as \`execArgv\` must be an array: current value is ${typeof execArgv}`)
  for (const flag of execArgv ?? []) stringOption(owner, 'execArgv[]', flag)
  if (env !== undefined && (typeof env !== 'object' || env === null)) throw new InvalidOptionError(`Cannot create ${owner} as \`env\` must be an object: current value is ${String(env)}`)
  if (isolate === 'inline') return undefined
  return { isolate, workers, maxQueue, deadlineMs, loadDeadlineMs, replay, maxCrashes, maxMemoryBytes, niceness, standby, entry, execArgv, env }
}
