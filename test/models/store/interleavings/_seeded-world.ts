/** What every world is made of: one seed, a clock that stands still, a scheduler, and programs on a store that may be broken. */
import { seededRandom, type Random } from '../../../../src/core/random.js'
import { modelStore, type ModelStore } from '../../../../src/models/store/model-store.js'
import type { FileSystem } from '../../../../src/store/file-system.js'
import { fakeClock, type FakeClock } from '../../../../src/testing/fake-clock.js'
import { Scheduler } from './_scheduler.js'

export interface WorldOptions {
  /** A broken store: how it differs from ours. */
  readonly breakFileSystem?: (fileSystem: FileSystem) => FileSystem
  /** Whether errors say where they were made. @default false */
  readonly stacks?: boolean
}

/** What the store has promised is not so. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

export abstract class SeededWorld {
  readonly scheduler: Scheduler
  readonly #seed: string
  readonly #options: WorldOptions
  protected readonly random: Random
  protected readonly clock: FakeClock

  constructor(seed: string, options: WorldOptions) {
    this.#seed = seed
    this.#options = options
    this.random = seededRandom(seed)
    this.clock = fakeClock()
    this.scheduler = new Scheduler(this.random.substream('schedule'), this.clock)
  }

  protected chance(probability: number): boolean {
    return this.random.next() < probability
  }

  protected store(fileSystem: FileSystem, path = '/store'): ModelStore {
    return modelStore({ path, fileSystem, clock: this.clock })
  }

  #broken(fileSystem: FileSystem): FileSystem {
    return this.#options.breakFileSystem?.(fileSystem) ?? fileSystem
  }

  /** Starts a program, some time from now. */
  protected spawn(who: string, program: (fileSystem: FileSystem, pause: () => Promise<void>) => Promise<void>, longestPause = 0): void {
    this.scheduler.spawn(who, async (fileSystem, steps) => {
      const pause = (): Promise<void> => steps(this.random.integer(longestPause + 1))
      await pause()
      await program(this.#broken(fileSystem), pause)
    })
  }

  /** Runs a program while nobody else does. */
  protected async alone(who: string, program: (fileSystem: FileSystem) => Promise<void>): Promise<void> {
    await this.scheduler.alone(who, (fileSystem) => program(this.#broken(fileSystem)))
  }

  protected abstract live(): Promise<void>

  /** Lets it live. What it throws says the seed, and how it came about. */
  async run(): Promise<void> {
    const { stackTraceLimit } = Error
    try {
      // A run meets hundreds of errors that are part of it, and stacks are most of what they cost.
      if (this.#options.stacks !== true) Error.stackTraceLimit = 0
      await this.live()
    } catch (error) {
      Error.stackTraceLimit = stackTraceLimit
      throw new Error(`world ${JSON.stringify(this.#seed)}: ${String(error)}\nits last steps:\n  ${this.scheduler.trace.slice(-80).join('\n  ')}`, { cause: error })
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }
}
