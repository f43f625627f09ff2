/** The models of one isolated engine: their pools, the workers that wait between two of them, and what they count. */
import { OutriggerError } from '../../core/errors.js'
import type { Runtime } from '../../core/runtime.js'
import type { ModelFiles } from '../store/model-files.js'
import type { ModelVersion } from '../store/model-store.js'
import { entryPlace } from './_entry-place.js'
import type { Member } from './_member.js'
import { IsolatePool, maxLost } from './_pool.js'
import { startProcess } from './_process-isolate.js'
import type { EngineSource } from './_protocol.js'
import type { RemoteModel } from './_remote-model.js'
import { SpareIsolates } from './_spare-isolates.js'
import { startWorker } from './_worker-isolate.js'
import type { IsolationSettings } from './isolation-options.js'
import { noCounts, type IsolationCounts, type IsolationStats } from './isolation-stats.js'

export class IsolatedModels {
  readonly #settings: IsolationSettings
  readonly #runtime: Runtime
  readonly #spares: SpareIsolates
  readonly #counts: IsolationCounts = noCounts()
  readonly #pools = new Set<IsolatePool>()
  readonly #lost = new Set<Member>()

  constructor(settings: IsolationSettings, source: () => EngineSource, runtime: Runtime) {
    this.#settings = settings
    this.#runtime = runtime
    const { isolate, entry = entryPlace(), maxMemoryBytes, niceness, execArgv, env, workers, standby } = settings
    const start = isolate === 'worker' ? startWorker : startProcess
    this.#spares = new SpareIsolates({
      start: () => start({ entry, maxMemoryBytes, niceness, execArgv, env }),
      source,
      // What ran in a process may have left anything behind, and processes are chosen for that.
      keep: isolate === 'worker' ? workers : 0,
      standby,
      clock: runtime.clock,
    })
  }

  async load(files: ModelFiles, version: ModelVersion): Promise<RemoteModel> {
    if (this.#lost.size > maxLost) {
      throw new OutriggerError('ERR_OUTRIGGER_ENGINE_CRASHED', `Cannot load ${version.name}@${version.version} as at most ${maxLost} workers may be lost in runs that do not end: current value is ${this.#lost.size}. Only a process can be ended, by \`isolate: 'process'\``)
    }
    this.#spares.enter()
    let pool: IsolatePool
    try {
      pool = await IsolatePool.load({ ...this.#settings, source: this.#spares, runtime: this.#runtime, counts: this.#counts, files, version, lost: this.#lost, print: (text) => void process.stderr.write(text) })
    } catch (error) {
      this.#spares.leave()
      throw error
    }
    this.#pools.add(pool)
    return {
      pool,
      settings: this.#settings,
      counts: this.#counts,
      fileBytes: files.paths.reduce((sum, path) => sum + files.bytes(path).length, 0),
      onDisposed: () => {
        if (this.#pools.delete(pool)) this.#spares.leave()
      },
    }
  }

  stats(): IsolationStats {
    const pools = [...this.#pools]
    const sum = (of: (pool: IsolatePool) => number): number => pools.reduce((total, pool) => total + of(pool), 0)
    return { ...this.#counts, busyMs: this.#counts.busyMs + sum((pool) => pool.busyMs), queued: sum((pool) => pool.queued), lost: this.#lost.size, isolates: pools.flatMap((pool) => pool.isolates) }
  }
}
