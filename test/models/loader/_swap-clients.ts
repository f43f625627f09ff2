/** Clients of a loader that is swapped under them, in every way a service calls a model. The short test and the long bench share them. */
import { pipe, retry, type Predictor } from 'outrigger'
import { microBatched } from 'outrigger/batch'
import { cached } from 'outrigger/cache'
import type { ModelLoader, TensorRow } from 'outrigger/models'
import { shadow } from 'outrigger/route'

/** What the clients have seen. */
export interface ClientCounts {
  /** Rows that were answered. */
  rows: number
  /** Rows of a cache's. */
  hits: number
  /** Rows that a shadow compared. */
  shadowed: number
  /** What should not have been: failures, answers of another version than the one that was live at the entry. At most ten are kept. */
  readonly faults: string[]
  faultCount: number
}

export interface Clients {
  readonly counts: ClientCounts
  /** Lets each end what it does, and closes what was put around the loader. */
  stop(): Promise<ClientCounts>
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** What clients know, and how they behave. */
export interface ClientOptions {
  /** What a version answers. @default x · version */
  readonly expected?: (version: number, x: number) => number
  /** What a client does between two calls. @default it lets the event loop turn once */
  readonly pause?: () => Promise<unknown>
}

/** Starts clients of a model of one input. Each looks which version is live, calls, and holds the answer against that version. */
export const startClients = (loader: ModelLoader<TensorRow, number>, count: number, options: ClientOptions = {}): Clients => {
  const { expected = (version, x) => version * x, pause = turn } = options
  const counts: ClientCounts = { rows: 0, hits: 0, shadowed: 0, faults: [], faultCount: 0 }
  const fault = (what: string): void => {
    counts.faultCount += 1
    if (counts.faults.length < 10) counts.faults.push(what)
  }
  const listening = shadow<TensorRow, number, number>(loader as never, { agree: () => true })
  const batched = pipe(loader, microBatched())
  const remembering = pipe(loader, microBatched(), cached({ max: 1_000 }))
  const stubborn = pipe(loader, retry({ retries: 2, minDelayMs: 1 }))
  const watched = pipe(loader, listening)

  const row = (x: number): TensorRow => (x % 2 === 0 ? [x] : Float32Array.of(x))
  const hold = (what: string, version: string, x: number, output: number): void => {
    counts.rows += 1
    const wanted = expected(Number(version), x)
    if (output !== wanted) fault(`${what}: ${output} for ${x} instead of ${wanted} by version ${version}`)
  }
  const single = async (what: string, predict: Predictor<TensorRow, number>, x: number): Promise<void> => {
    const { version } = loader.identity
    hold(what, version, x, await predict(row(x)))
  }
  const detailed = async (what: string, predict: Predictor<TensorRow, number>, x: number): Promise<void> => {
    const { version } = loader.identity
    const { output, record } = await predict.detailed(row(x))
    hold(what, version, x, output)
    if (record.identity.version !== version) fault(`${what}: the record says ${record.identity.version} instead of ${version}`)
    if (record.source === 'cache') counts.hits += 1
  }
  const batch = async (what: string, predict: Predictor<TensorRow, number>, x: number): Promise<void> => {
    const { version } = loader.identity
    const xs = [x, x + 1, x + 2]
    const outputs = await predict.batch(xs.map(row))
    outputs.forEach((output, index) => hold(what, version, xs[index] as number, output))
  }
  const ways: readonly ((x: number) => Promise<void>)[] = [
    (x) => detailed('a call', loader, x),
    (x) => batch('a batch', loader, x),
    (x) => single('a micro-batched call', batched, x),
    (x) => detailed('a cached call', remembering, x % 20),
    (x) => batch('a cached batch', remembering, x % 20),
    (x) => detailed('a call with retries', stubborn, x),
    (x) => single('a call with a shadow', watched, x),
  ]

  let running = true
  const clients = Array.from({ length: count }, async (_, client) => {
    for (let round = 1; running; round += 1) {
      try {
        await (ways[client % ways.length] as (x: number) => Promise<void>)(client + 64 * (round % 1_000))
      } catch (error) {
        fault(`a call failed: ${String(error)}`)
      }
      await pause()
    }
  })
  return {
    counts,
    stop: async () => {
      running = false
      await Promise.all(clients)
      await listening.idle()
      counts.shadowed = listening.counts.compared
      if (listening.counts.failed > 0) fault(`${listening.counts.failed} runs of a shadow failed`)
      await Promise.all([batched, remembering, stubborn, watched].map((stack) => stack.close()))
      return counts
    },
  }
}
