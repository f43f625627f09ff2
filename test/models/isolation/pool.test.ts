import { expect, test, vi } from 'vitest'
import { seededRandom } from '../../../src/core/random.js'
import type { StateEvent } from 'outrigger'
import { callOf, fakePool, workOf, type FakeIsolate } from './_fake-isolates.js'

const code = (name: string): object => ({ code: `ERR_OUTRIGGER_${name}` })
const crash = { reason: 'signal SIGSEGV', signal: 'SIGSEGV' }

test('IsolatePool runs one at a time in each isolate, and those that wait in their order', async () => {
  const { pool, clock, holding } = await fakePool({ workers: 2 })
  const answers: number[] = []
  const runs = [1, 2, 3, 4, 5].map((x) => pool.run(workOf(x), callOf()).then((answer) => answers.push(answer)))
  expect(pool.queued).toBe(3)
  holding(2).answer()
  expect(() => holding(4)).toThrow()
  holding(3).answer()
  holding(1).answer()
  holding(4).answer()
  holding(5).answer()
  await Promise.all(runs)
  expect(answers).toEqual([2, 3, 1, 4, 5])
  await Promise.all([pool.dispose(), clock.advance(0)])
})

test('IsolatePool refuses a run when as many wait as may', async () => {
  const { pool, holding } = await fakePool({ maxQueue: 1 })
  const first = pool.run(workOf(1), callOf())
  const second = pool.run(workOf(2), callOf())
  await expect(pool.run(workOf(3), callOf())).rejects.toMatchObject(code('QUEUE_FULL'))
  holding(1).answer()
  holding(2).answer()
  await Promise.all([first, second])
})

test('an abort takes a run that waits out of the queue at once; one that has begun keeps its isolate', async () => {
  const { pool, isolates: [isolate], holding } = await fakePool()
  const [begun, waits] = [new AbortController(), new AbortController()]
  const first = pool.run(workOf(1), callOf({ signal: begun.signal }))
  const second = pool.run(workOf(2), callOf({ signal: waits.signal }))
  const third = pool.run(workOf(3), callOf())
  waits.abort(new Error('no patience'))
  await expect(second).rejects.toMatchObject({ ...code('ABORTED'), cause: { message: 'no patience' } })
  expect(pool.queued).toBe(1)
  begun.abort()
  await expect(first).rejects.toMatchObject(code('ABORTED'))
  expect(isolate?.sent.at(-1)).toMatchObject({ type: 'abort' })
  expect(pool.isolates[0]?.state).toBe('busy')
  expect(() => holding(3)).toThrow()
  holding(1).answer()
  holding(3).answer()
  expect(await third).toBe(3)
  await expect(pool.run(workOf(4), callOf({ signal: begun.signal }))).rejects.toMatchObject(code('ABORTED'))
})

test('after a crash a run that may be repeated is run once more, first of all; a second crash is its end', async () => {
  const { pool, clock, counts, holding } = await fakePool()
  const first = pool.run(workOf(1), callOf())
  const second = pool.run(workOf(2), callOf())
  second.catch(() => {})
  holding(1).end(crash)
  await clock.advance(0)
  holding(1).end(crash)
  await expect(first).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), reason: 'signal SIGSEGV', signal: 'SIGSEGV' })
  await clock.advance(100)
  holding(2).answer()
  expect(await second).toBe(2)
  expect(counts).toMatchObject({ crashes: 2, restarts: 2, replays: 1, runs: 3 })
})

for (const [why, replay, mayRepeat, isIdempotent] of [['`replay: never`', 'never', true, true], ['its caller forbids it', 'idempotent', true, false], ['its inputs are gone', 'idempotent', false, true]] as const) {
  test(`after a crash a run is not repeated: ${why}`, async () => {
    const { pool, clock, holding } = await fakePool({ replay })
    const run = pool.run(workOf(1, mayRepeat), callOf({ isIdempotent }))
    holding(1).end({ ...crash, error: new Error('uncaught'), output: 'last words' })
    await expect(run).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), cause: { message: 'uncaught' }, output: 'last words' })
    await clock.advance(0)
    const next = pool.run(workOf(2), callOf())
    holding(2).answer()
    expect(await next).toBe(2)
  })
}

test('a run whose caller has left is not repeated', async () => {
  const { pool, clock, counts, holding } = await fakePool()
  const controller = new AbortController()
  const run = pool.run(workOf(1), callOf({ signal: controller.signal }))
  controller.abort()
  await expect(run).rejects.toMatchObject(code('ABORTED'))
  holding(1).end(crash)
  await clock.advance(0)
  expect(counts.replays).toBe(0)
  expect(pool.queued).toBe(0)
})

test('at its deadline a run fails, its process is killed and replaced, and it is not repeated', async () => {
  const { pool, clock, isolates, counts, lost, holding } = await fakePool({ deadlineMs: 1000 })
  const run = pool.run(workOf(1), callOf())
  const other = pool.run(workOf(2), callOf())
  const failed = expect(run).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), reason: 'a run took longer than 1000 ms' })
  await clock.advance(999)
  expect(isolates[0]?.killed).toBe(false)
  await clock.advance(1)
  await failed
  expect(isolates[0]?.killed).toBe(true)
  expect(isolates).toHaveLength(2)
  holding(2).answer()
  expect(await other).toBe(2)
  expect(counts).toMatchObject({ crashes: 1, replays: 0 })
  expect(lost.size).toBe(0)
})

test('a worker that does not come back is given up and replaced, three are the end; one that comes back counts no more', async () => {
  const events: string[] = []
  const { pool, clock, isolates, lost, holding } = await fakePool({ canBeKilled: false, deadlineMs: 100 })
  pool.observe((event) => event.type === 'state' && events.push(event.to))
  const lose = async (x: number): Promise<void> => {
    const run = expect(pool.run(workOf(x), callOf())).rejects.toMatchObject(code('ENGINE_CRASHED'))
    await clock.advance(100)
    await run
    await clock.advance(500)
  }
  await lose(1)
  expect(isolates[0]).toMatchObject({ held: false, ended: false })
  await lose(2)
  expect(lost.size).toBe(2)
  isolates[0]?.end({ reason: 'exit code 0' })
  expect(lost.size).toBe(1)
  await lose(3)
  const last = pool.run(workOf(4), callOf())
  holding(4).answer()
  await last
  await lose(5)
  await expect(pool.run(workOf(6), callOf())).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), isBroken: true })
  expect(events).toContain('lost')
  expect(events.at(-1)).toBe('broken')
  await Promise.all([pool.dispose(), clock.advance(0)])
})

test('an isolate that crashes is started again, at once and then after pauses that hold no process; too often is the end', async () => {
  const { pool, clock, isolates } = await fakePool({ maxCrashes: 3 })
  const events: StateEvent[] = []
  pool.observe((event) => event.type === 'state' && events.push(event))
  for (let crashes = 0; crashes < 3; crashes += 1) {
    isolates.at(-1)?.end(crash)
    if (crashes > 0) expect(clock.holding).toBe(0) // The first time it is loading by now.
    await clock.advance(500)
  }
  expect(isolates).toHaveLength(4)
  const waiting = pool.run(workOf(1), callOf({ isIdempotent: false }))
  isolates.at(-1)?.end(crash)
  await expect(waiting).rejects.toMatchObject(code('ENGINE_CRASHED'))
  await expect(pool.run(workOf(2), callOf())).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), isBroken: true, reason: 'more than 3 crashes within a minute, at last signal SIGSEGV' })
  expect(events.at(-1)).toMatchObject({ layer: 'isolation', subject: 'tiny@1', to: 'broken' })
  await pool.dispose()
  expect(clock.pending).toBe(0)
})

test('a restart that runs wait for keeps the process alive until they have left', async () => {
  const { pool, clock, isolates, holding } = await fakePool()
  isolates[0]?.end(crash)
  await clock.advance(0)
  isolates[1]?.end(crash)
  expect([clock.pending, clock.holding]).toEqual([1, 0])
  const controller = new AbortController()
  const run = pool.run(workOf(1), callOf({ signal: controller.signal }))
  const other = pool.run(workOf(2), callOf())
  expect(clock.holding).toBe(1)
  controller.abort()
  await run.catch(() => {})
  expect(clock.holding).toBe(1)
  await clock.advance(100)
  holding(2).answer()
  await other
})

test('if one of several isolates cannot load the model none is left, and its reason is told', async () => {
  const all: FakeIsolate[] = []
  await expect(fakePool({
    workers: 3,
    behaviour: (message, isolate) => {
      if (!all.includes(isolate)) all.push(isolate)
      if (message.type !== 'load' || isolate.name !== 'fake 1') return false
      isolate.soon(() => isolate.say({ type: 'load-failed', error: { name: 'SyntaxError', message: 'bad model', fields: {} } }))
      return true
    },
  })).rejects.toMatchObject({ name: 'SyntaxError', message: 'bad model' })
  expect(all.map(({ ended, held }) => [ended, held])).toEqual([[true, false], [true, false], [true, false]])
})

test('loading again that fails is tried again, told each time, and ends at the limit', async () => {
  let loads = 0
  const { pool, clock, isolates, printed } = await fakePool({
    maxCrashes: 3,
    behaviour: (message, isolate) => {
      if (message.type !== 'load') return false
      loads += 1
      if (loads === 1) return false
      isolate.soon(() => (loads % 2 === 0 ? isolate.end(crash) : isolate.say({ type: 'load-failed', error: { thrown: 'no memory' } })))
      return true
    },
  })
  isolates[0]?.end(crash)
  await clock.advance(60_000)
  expect(loads).toBe(4)
  expect(printed).toHaveLength(3)
  await expect(pool.run(workOf(1), callOf())).rejects.toMatchObject({ ...code('ENGINE_CRASHED'), isBroken: true })
  expect(isolates.every(({ ended }) => ended)).toBe(true)
})

test('dispose waits for the run that is in an isolate, refuses what waits and what comes, and ends every isolate', async () => {
  const { pool, clock, isolates, holding } = await fakePool({ workers: 2 })
  const run = pool.run(workOf(1), callOf())
  const other = pool.run(workOf(2), callOf())
  const waits = pool.run(workOf(3), callOf())
  const disposed = pool.dispose()
  expect(pool.dispose()).toBe(disposed)
  await expect(waits).rejects.toMatchObject(code('CLOSED'))
  await expect(pool.run(workOf(4), callOf())).rejects.toMatchObject(code('CLOSED'))
  holding(1).answer()
  await clock.advance(0)
  expect(isolates.map(({ ended }) => ended).sort()).toEqual([false, true])
  holding(2).answer()
  expect(await Promise.all([run, other])).toEqual([1, 2])
  await Promise.all([disposed, clock.advance(0)])
  expect(isolates.every(({ ended, held }) => ended && !held)).toBe(true)
  expect(clock.pending).toBe(0)
})

test('dispose while a model is loaded again, and while a restart is due, leaves nothing behind', async () => {
  for (const canBeKilled of [true, false]) {
    let loads = 0
    const { pool, clock, isolates } = await fakePool({ workers: 2, canBeKilled, behaviour: (message) => message.type === 'load' && (loads += 1) > 2 })
    isolates[0]?.end(crash)
    isolates[1]?.end(crash)
    expect(isolates).toHaveLength(3)
    await Promise.all([pool.dispose(), clock.advance(0)])
    expect(isolates.every(({ ended }) => ended)).toBe(true)
    await clock.advance(100_000)
    expect([isolates.length, clock.pending]).toEqual([3, 0])
  }
})

test('dispose says what disposing failed with, after every isolate has ended; one that hangs is killed', async () => {
  const { pool, clock, isolates } = await fakePool({
    workers: 3,
    loadDeadlineMs: 5000,
    behaviour: (message, isolate) => {
      if (message.type !== 'unload' || isolate.name === 'fake 0') return false
      if (isolate.name === 'fake 1') isolate.soon(() => isolate.say({ type: 'unloaded', error: { name: 'Error', message: 'cannot dispose', fields: {} } }))
      return true
    },
  })
  const failed = expect(pool.dispose()).rejects.toMatchObject({ message: 'cannot dispose' })
  await clock.advance(5000)
  await failed
  expect(isolates.map(({ ended, killed }) => [ended, killed])).toEqual([[true, false], [true, false], [true, true]])
  expect(clock.pending).toBe(0)
})

test('an observer that throws disturbs nobody; output without an observer is printed', async () => {
  const { pool, isolates: [isolate], printed, holding } = await fakePool()
  isolate?.listener?.onOutput('stdout', 'hello\n')
  expect(printed).toEqual(['hello\n'])
  const lines: unknown[] = []
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  pool.observe(() => { throw new Error('observer') })
  const stop = pool.observe((event) => event.type === 'notice' && lines.push([event.message, event.data?.['stream']]))
  isolate?.listener?.onOutput('stderr', 'one\ntwo\nthr')
  isolate?.listener?.onOutput('stderr', 'ee\n')
  expect(lines).toEqual([['one', 'stderr'], ['two', 'stderr'], ['three', 'stderr']])
  const run = pool.run(workOf(1), callOf())
  holding(1).answer()
  expect(await run).toBe(1)
  stop()
  expect(warn.mock.calls[0]).toMatchObject(['An observer of an isolated model threw: Error: observer', { code: 'OUTRIGGER_OBSERVER_THREW' }])
  warn.mockRestore()
})

/** One seeded life of a pool: crashes, hangs, aborts, refused inputs, at any moment. */
const life = async (seed: number): Promise<void> => {
  const random = seededRandom(seed)
  const canBeKilled = random.next() < 0.5
  const begun = new Map<number, number>()
  let loads = 0
  const { pool, clock, isolates, counts, lost } = await fakePool({
    workers: 1 + random.integer(3), maxQueue: 5, deadlineMs: 50, loadDeadlineMs: 200, maxCrashes: 20, canBeKilled, random,
    behaviour: (message, isolate) => {
      if (message.type === 'load' && (loads += 1) > 3) {
        const fate = random.next()
        if (fate < 0.1) return true // hangs
        if (fate < 0.2) isolate.soon(() => isolate.end(crash), random.integer(100))
        else isolate.soon(() => isolate.say({ type: 'loaded', kind: 'tensors', description: {} }), random.integer(100))
        return true
      }
      if (message.type !== 'run') return false
      const x = message.tensors['x']?.data[0] as number
      begun.set(x, (begun.get(x) ?? 0) + 1)
      const fate = random.next()
      if (fate < 0.05) return true // hangs
      if (fate < 0.15) isolate.soon(() => isolate.end(crash), random.integer(60))
      else if (fate < 0.2) isolate.soon(() => isolate.say({ type: 'failed', id: message.id, error: { name: 'Error', message: 'failed', fields: {} } }), random.integer(40))
      else isolate.soon(() => isolate.running === message && isolate.answer(), random.integer(40))
      return true
    },
  })
  const outcomes = new Map<number, string>()
  const runs: Promise<void>[] = []
  for (let x = 1; x <= 60; x += 1) {
    const controller = new AbortController()
    const run = pool.run(workOf(x, random.next() < 0.8), callOf({ signal: controller.signal, isIdempotent: random.next() < 0.8 }))
    runs.push(run.then((answer) => void outcomes.set(x, `answer ${answer}`), (error: { readonly code?: string; readonly message: string }) => void outcomes.set(x, error.code ?? error.message)))
    if (random.next() < 0.2) clock.setTimeout(() => controller.abort(), random.integer(60))
    if (random.next() < 0.05) isolates[random.integer(isolates.length)]?.end(crash)
    await clock.advance(random.integer(30))
  }
  const disposed = pool.dispose().catch(() => {}) // One that crashes now says so.
  await clock.advance(100_000)
  await Promise.all([...runs, disposed])
  expect(outcomes.size).toBe(60)
  for (const [x, outcome] of outcomes) {
    if (outcome.startsWith('answer')) expect(outcome).toBe(`answer ${x}`)
    else expect(outcome).toMatch(/^(failed|ERR_OUTRIGGER_(ABORTED|ENGINE_CRASHED|QUEUE_FULL|CLOSED))$/)
    expect(begun.get(x) ?? 0).toBeLessThanOrEqual(2)
  }
  expect([...begun.values()].reduce((sum, times) => sum + times, 0)).toBe(counts.runs)
  // Only workers that hang may be left, and they hold nothing.
  for (const isolate of isolates) expect(isolate.ended || (!canBeKilled && !isolate.held), isolate.name).toBe(true)
  expect(isolates.filter(({ ended }) => !ended).length).toBeLessThanOrEqual(lost.size)
  expect([pool.queued, clock.pending]).toEqual([0, 0])
}

test('IsolatePool over 150 seeded lives: every run ends once, none is run more than twice, nothing is left', async () => {
  for (let seed = 0; seed < 150; seed += 1) {
    try {
      await life(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
}, 30_000)
