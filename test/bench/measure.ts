/** Measuring: medians of rounds in one process, each target in a loop of its own. */

export interface Target {
  readonly name: string
  /** Calls per round. */
  readonly calls: number
  /** One call; awaited. Compiled into a loop of its own, so that targets do not share what V8 learns. */
  readonly call: (input: number) => unknown
}

export interface Measured {
  /** Nanoseconds per call, median of the rounds. */
  readonly ns: number
  /** Bytes allocated per call, median, where the process can collect garbage on request; else NaN. */
  readonly bytes: number
}

type Loop = (calls: number) => Promise<number>

const loopOf = (call: Target['call']): Loop =>
  // A function made from text is compiled anew each time: no target inherits another one's megamorphic call site.
  // oxlint-disable-next-line no-new-func
  new Function('call', 'return async (calls) => { let sum = 0; for (let i = 0; i < calls; i += 1) sum += await call(i); return sum }')(call) as Loop

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Measures all targets in turn, round after round, so that what disturbs the machine disturbs them alike. */
export const measure = async (targets: readonly Target[], rounds = 31): Promise<Map<string, Measured>> => {
  const loops = targets.map(({ call }) => loopOf(call))
  const times = targets.map((): number[] => [])
  const sizes = targets.map((): number[] => [])
  for (let warmUp = 0; warmUp < 8; warmUp += 1) {
    for (const [index, target] of targets.entries()) await loops[index]!(Math.ceil(target.calls / 2))
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { calls }] of targets.entries()) {
      const start = process.hrtime.bigint()
      await loops[index]!(calls)
      times[index]!.push(Number(process.hrtime.bigint() - start) / calls)
    }
  }
  const { gc } = globalThis as { gc?: () => void }
  if (gc !== undefined) {
    for (const [index, { calls }] of targets.entries()) {
      // Many, as the heap is handed out in pieces of up to 256 kB, which would weigh on few.
      const count = Math.min(10_000, calls)
      for (let round = 0; round < 9; round += 1) {
        gc()
        const before = process.memoryUsage().heapUsed
        await loops[index]!(count)
        sizes[index]!.push((process.memoryUsage().heapUsed - before) / count)
      }
    }
  }
  return new Map(targets.map(({ name }, index) => [name, { ns: median(times[index]!), bytes: median(sizes[index]!) }]))
}
