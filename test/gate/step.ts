/** What a step of the gate is, and the loop that runs steps two at a time. */

/** What a step found. It failed if `failed` is not 0. */
export interface Result {
  readonly passed: number
  readonly failed: number
  /** What could not be run here, and why. With CI=true it counts as failed. */
  readonly skipped?: readonly string[]
  /** Figures worth a line of the report. */
  readonly notes?: readonly string[]
  /** Shown only if something failed. */
  readonly output?: string
}

/** One part of the gate. */
export interface Step {
  readonly name: string
  /** Steps that must have passed before. */
  readonly needs?: readonly string[]
  /** Runs while nothing else does: it asserts how long something takes. */
  readonly alone?: boolean
  run(): Promise<Result>
}

/** A step that has ended. */
export interface Ended extends Result {
  readonly name: string
  readonly ms: number
}

/** One check that either holds or does not, with what it printed. */
export const single = (ok: boolean, output: string, notes: readonly string[] = []): Result => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, output, notes })

/** The steps named, and what they need, in the order of the gate. */
export const selectSteps = (steps: readonly Step[], names: readonly string[]): Step[] => {
  const wanted = new Set<string>()
  const want = (name: string): void => {
    const step = steps.find((candidate) => candidate.name === name)
    if (step === undefined) throw new Error(`Cannot run step ${name} as there is none: ${steps.map((candidate) => candidate.name).join(', ')}`)
    wanted.add(name)
    for (const need of step.needs ?? []) want(need)
  }
  for (const name of names) want(name)
  return steps.filter((step) => wanted.has(step.name))
}

/** Runs the steps, `slots` at a time, the first one first whose needs have passed. */
export const runSteps = async (steps: readonly Step[], slots: number, onEnd: (ended: Ended) => void): Promise<Ended[]> => {
  const waiting = [...steps]
  const ended = new Map<string, Ended>()
  const active = new Set<Promise<void>>()
  let isAlone = false

  const finish = (step: Step, started: number, result: Result): void => {
    const end = { ...result, name: step.name, ms: performance.now() - started }
    ended.set(step.name, end)
    onEnd(end)
  }
  const start = async (step: Step): Promise<void> => {
    const started = performance.now()
    let result: Result
    try {
      result = await step.run()
      if (result.passed + result.failed === 0 && (result.skipped ?? []).length === 0) result = { ...result, failed: 1, output: `${result.output ?? ''}\n${step.name} checked nothing` }
    } catch (error) {
      result = { passed: 0, failed: 1, output: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
    finish(step, started, result)
  }

  while (waiting.length > 0 || active.size > 0) {
    const blocked = waiting.findIndex((step) => (step.needs ?? []).some((need) => (ended.get(need)?.failed ?? 0) > 0))
    if (blocked !== -1) {
      const [step] = waiting.splice(blocked, 1)
      if (step !== undefined) finish(step, performance.now(), { passed: 0, failed: 1, output: `not run, as it needs ${(step.needs ?? []).join(', ')}` })
      continue
    }
    const free: boolean = active.size < slots && !isAlone
    const ready: number = free ? waiting.findIndex((step) => (step.needs ?? []).every((need) => ended.has(need)) && (step.alone !== true || active.size === 0)) : -1
    if (ready !== -1) {
      const [step] = waiting.splice(ready, 1)
      if (step === undefined) continue
      isAlone = step.alone === true
      const run = start(step).finally(() => {
        active.delete(run)
        isAlone = false
      })
      active.add(run)
      continue
    }
    if (active.size === 0) throw new Error(`Cannot run ${waiting.map((step) => step.name).join(', ')} as they wait for steps that are not there`)
    await Promise.race(active)
  }
  return [...ended.values()]
}

/** The closing count. In CI what was skipped counts as failed. */
export const countOf = (ended: readonly Ended[], ci: boolean): { passed: number; failed: number; skipped: number } => {
  const sum = (of: (end: Ended) => number): number => ended.reduce((total, end) => total + of(end), 0)
  const skipped = sum((end) => end.skipped?.length ?? 0)
  return { passed: sum((end) => end.passed), failed: sum((end) => end.failed) + (ci ? skipped : 0), skipped: ci ? 0 : skipped }
}
