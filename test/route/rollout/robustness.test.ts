import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { pipe, predictor, retry, type ModelIdentity, type Predictor } from 'outrigger'
import { cascade } from 'outrigger/compose'
import { failureMetric, rateMetric } from 'outrigger/experiment'
import { fileLedger, rollout, type Ledger, type Rollout, type RolloutOptions, type RolloutPlan } from 'outrigger/route'
import { memoryJournal, memoryStateStore, type Journal } from 'outrigger/store'
import { fakeClock, type FakeClock } from 'outrigger/testing'

const folder = mkdtempSync(join(tmpdir(), 'outrigger-robust-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const versionOf = (arm: 'control' | 'candidate'): ModelIdentity => ({ name: 'delay', version: arm === 'control' ? '1' : '2', digest: arm })
const simple: RolloutPlan = { steps: [{ weight: 0.2, minUnits: 10 }, { weight: 0.6, minUnits: 10 }], evidence: { metrics: [failureMetric()] }, promotion: 'unless-worse', coolDownMs: 0 }
const labelled: RolloutPlan = { ...simple, evidence: { metrics: [rateMetric({ name: 'hit', better: 'higher', fromLabel: ({ label }) => label.value as boolean })] } }

type Given = Partial<RolloutOptions<number, string>> & { readonly clock?: FakeClock }
const released = async ({ clock = fakeClock(), ...more }: Given = {}): Promise<{ release: Rollout<number, string>; clock: FakeClock }> => {
  const arm = (name: 'control' | 'candidate') => predictor((_: number) => name as string, { clock, name: 'delay', version: name, digest: name } as never)
  return { release: await rollout<number, string>({ name: 'delay', control: arm('control'), candidate: arm('candidate'), versionOf, plan: simple, everyMs: 0, ...more }), clock }
}
const serve = async (release: Predictor<number, string>, from: number, to: number): Promise<void> => {
  for (let i = from; i < to; i++) await release(i, { key: `user-${i}`, id: `p${i}` }).catch(() => {})
}
/** A journal whose next call waits until it is told. */
const gated = (journal: Journal): Journal & { gate: Promise<void> } => {
  const made = {
    gate: Promise.resolve(),
    read: async (name: string, from?: number) => {
      const texts = await journal.read(name, from)
      await made.gate
      return texts
    },
    append: async (...given: Parameters<Journal['append']>) => {
      await made.gate
      return await journal.append(...given)
    },
  }
  return made
}
const latch = (): { readonly gate: Promise<void>; open: () => void } => {
  let open = (): void => {}
  return { gate: new Promise<void>((resolve) => (open = resolve)), open: () => open() }
}

describe('races', () => {
  it('two that follow the journal at once take each entry once', async () => {
    const journal = gated(memoryJournal())
    const { release, clock } = await released({ journal })
    const other = (await released({ journal, clock })).release
    await release.start({ by: 'ann' })
    const { gate, open } = latch()
    journal.gate = gate
    const both = Promise.all([other.tick(), other.hold({ by: 'bo', reason: 'wait' })])
    open()
    await both
    expect(other.status).toMatchObject({ stage: 'canary', step: 0, position: 3, held: { by: 'bo' } })
    await release.close()
    await other.close()
  })

  it('a look does not go on with what it decided before a person held it', async () => {
    const clock = fakeClock()
    const states = memoryStateStore(clock)
    let gate = Promise.resolve()
    const slow = { ...states, put: async (...given: Parameters<typeof states.put>) => void (await gate, await states.put(...given)) }
    const { release } = await released({ clock, states: slow, process: 'a' })
    await release.start({ by: 'ann' })
    await serve(release, 0, 100)
    const closed = latch()
    gate = closed.gate
    const look = release.tick()
    await clock.settle()
    const hold = release.hold({ by: 'bo', reason: 'wait' })
    await clock.settle()
    closed.open()
    await Promise.all([look, hold])
    expect(release.status).toMatchObject({ step: 0, held: { by: 'bo' } })
    await release.close()
  })

  it('an entry whose answer was lost is known as our own', async () => {
    const inner = memoryJournal()
    // The store tries again by itself, and finds that somebody was first.
    const journal: Journal = { read: inner.read, append: async (...given) => ((await inner.append(...given)) ? false : false) }
    const { release } = await released({ journal })
    await release.start({ by: 'ann' })
    expect(await release.abort({ by: 'bo', reason: 'enough' })).toMatchObject({ stage: 'rolled-back', end: { by: 'bo', isApplied: true } })
    expect(await inner.read('delay')).toHaveLength(4)
    await release.close()
  })

  it('a late answer of the release before counts nothing in this one', async () => {
    const waiting: (() => void)[] = []
    const clock = fakeClock()
    const slow = predictor(async (_: number) => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      throw new Error('late')
    }, { clock, name: 'delay', version: 'x', digest: 'candidate' } as never) as Predictor<number, string>
    const { release } = await released({ clock, candidate: slow })
    await release.start({ by: 'ann' })
    const calls = Array.from({ length: 100 }, (_, i) => release(i, { key: `user-${i}` }).catch(() => {}))
    await clock.settle()
    expect(waiting.length).toBeGreaterThan(5)
    await release.abort({ by: 'ann', reason: 'again' })
    await release.start({ by: 'ann' })
    for (const go of waiting) go()
    await Promise.all(calls)
    expect((await release.tick()).verdict!.exposures['candidate']).toBe(0)
    await release.close()
  })
})

describe('what hangs or throws', () => {
  it('a target that hangs neither ends the looks nor keeps close', async () => {
    const { release, clock } = await released({ target: { promote: () => new Promise(() => {}), rollBack: () => {} } })
    await release.start({ by: 'ann' })
    const promoted = release.promote({ by: 'ann', reason: 'now' }).catch((error: unknown) => error)
    await clock.advance(30_001)
    expect(await promoted).toMatchObject({ code: 'ERR_OUTRIGGER_ROLLOUT', reason: 'late' })
    void release.tick().catch(() => {})
    await clock.settle()
    const closed = release.close()
    await clock.advance(10_000)
    await closed
    await expect(release.tick()).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED' })
  })

  it('guards, `versionOf` and `quarantine` that throw or reject hold it, and are told', async () => {
    const failing = { plan: { ...simple, shadow: { minRows: 1, maxFailures: 1 }, guards: [{ name: 'later', check: (() => Promise.reject(new Error('x'))) as never }] } }
    let isThrowing = false
    const { release, clock } = await released({
      ...failing,
      shadow: { guard: false },
      versionOf: (arm) => {
        if (isThrowing) throw new Error('gone')
        return versionOf(arm)
      },
      target: { promote: () => {}, rollBack: () => {}, quarantine: () => Promise.reject(new Error('x')) },
    })
    const notices: string[] = []
    release.observe((event) => void (event.type === 'notice' && notices.push(event.message)))
    await release.start({ by: 'ann' })
    await serve(release, 0, 5)
    for (let i = 0; i < 10; i++) await clock.settle()
    expect((await release.tick()).waits).toEqual([expect.stringMatching(/guard later.*promise/)])
    isThrowing = true
    expect((await release.tick()).waits[0]).toMatch(/`versionOf`, which threw gone/)
    expect(await release.abort({ by: 'ann', reason: 'x', quarantine: true })).toMatchObject({ stage: 'rolled-back' })
    await clock.settle()
    expect(notices.join()).toMatch(/quarantine/)
    await release.close()
  })
})

describe('the ledger', () => {
  it('that missed lines is told once, and started anew by a look', async () => {
    const path = join(folder, 'full.ledger')
    const clock = fakeClock()
    const journal = memoryJournal()
    const real = fileLedger({ path })
    let isFull = false
    const full = (): void => {
      if (isFull) throw new Error('ENOSPC')
    }
    const ledger: Ledger = { get lines() { return real.lines }, get isLong() { return real.isLong }, append: (line) => { full(); real.append(line) }, reset: (line) => { full(); real.reset(line) }, close: () => real.close() }
    const { release } = await released({ clock, journal, ledger })
    const notices: string[] = []
    release.observe((event) => void (event.type === 'notice' && notices.push(event.message)))
    await release.start({ by: 'ann' })
    isFull = true
    await serve(release, 0, 30)
    expect(notices).toHaveLength(1)
    isFull = false
    await release.hold({ by: 'bo', reason: 'x' })
    const again = await released({ clock, journal, ledger: fileLedger({ path }) })
    const { exposures } = (await again.release.tick()).verdict!
    expect(exposures['control']! + exposures['candidate']!).toBe(30)
    await again.release.close()
    await release.close()
    expect(() => real.append('x')).toThrow(expect.objectContaining({ reason: 'ledger' }))
  })

  it('takes no label that would damage it, and joins values that JSON does not know', async () => {
    const path = join(folder, 'labels.ledger')
    const journal = memoryJournal()
    const plan: RolloutPlan = { ...labelled, evidence: { metrics: [rateMetric({ name: 'hit', better: 'higher', fromLabel: ({ label }) => (label.value as Map<string, boolean>).get('hit') as boolean })] } }
    const { release, clock } = await released({ journal, plan, ledger: fileLedger({ path }) })
    await release.start({ by: 'ann' })
    await serve(release, 0, 10)
    expect(() => release.label(5 as never, true, 1)).toThrow()
    expect(() => release.label('p1', true, NaN)).toThrow()
    for (let i = 0; i < 6; i++) release.label(`p${i}`, new Map([['hit', true]]), clock.wall())
    const again = await released({ clock, journal, plan, ledger: fileLedger({ path }) })
    const { arms } = (await again.release.tick()).verdict!.metrics[0]!
    expect(arms['control']!.units + arms['candidate']!.units).toBe(6)
    await again.release.close()
    await release.close()
  })

  it('that is longer than its limit after a snapshot is not written anew at each look', () => {
    const ledger = fileLedger({ path: join(folder, 'long.ledger'), maxBytes: 10 })
    ledger.reset('x'.repeat(100))
    expect(ledger.isLong).toBe(false)
    ledger.append('y'.repeat(120))
    expect(ledger.isLong).toBe(true)
  })
})

it('a label counts for the arm that answered, also when its unit has another by now, once for each draw, and over a restart', async () => {
  const plan: RolloutPlan = { ...labelled, steps: [{ weight: 0.2, minUnits: 1 }, { weight: 0.9, minUnits: 100_000 }] }
  const journal = memoryJournal()
  const path = join(folder, 'draws.ledger')
  const clock = fakeClock()
  // Each look makes a snapshot.
  const file = fileLedger({ path })
  const ledger: Ledger = { lines: file.lines, append: (line) => file.append(line), isLong: true, reset: (line) => file.reset(line), close: () => file.close() }
  const before = await released({ clock, plan, journal, ledger })
  await before.release.start({ by: 'ann' })
  const first: string[] = []
  for (let i = 0; i < 50; i++) first.push(await before.release(i, { key: `user-${i}`, id: `old-${i}` }))
  for (let i = 0; i < 50; i++) await before.release(i, { key: `user-${i}`, id: `again-${i}` })
  expect((await before.release.tick()).step).toBe(1)
  const second: string[] = []
  for (let i = 0; i < 50; i++) second.push(await before.release(i, { key: `user-${i}`, id: `new-${i}` }))
  for (let i = 0; i < 25; i++) before.release.label(`new-${i}`, true, clock.wall())
  for (let i = 0; i < 25; i++) before.release.label(`old-${i}`, true, clock.wall())
  for (let i = 0; i < 50; i++) await before.release(i, { key: `user-${i}`, id: `anew-${i}` })
  // Into the snapshot; and then a crash, which does not close.
  await before.release.tick()
  expect(fileLedger({ path }).lines).toHaveLength(1)
  const { release } = await released({ clock, plan, journal, ledger: fileLedger({ path }) })
  for (const when of ['old', 'again', 'new', 'anew']) for (let i = 0; i < 50; i++) release.label(`${when}-${i}`, true, clock.wall())
  // By the same draw again, in the run after: nothing new.
  for (let i = 0; i < 50; i++) {
    await release(i, { key: `user-${i}`, id: `after-${i}` })
    release.label(`after-${i}`, true, clock.wall())
  }
  const { arms } = (await release.tick()).verdict!.metrics[0]!
  const count = (arm: string): number => first.filter((one) => one === arm).length
  // The candidate's stay where they are; those of the control are drawn again, so that they count once more, by the arm of then.
  expect(arms['control']!.units).toBe(count('control') + second.filter((one) => one === 'control').length)
  expect(arms['candidate']!.units).toBe(count('candidate') + second.filter((one, i) => one === 'candidate' && first[i] === 'control').length)
  expect(count('candidate')).toBeGreaterThan(0)
  expect(release.status.labels).toMatchObject({ joined: 250, pending: 0, unmatched: 50 }) // told again after the snapshot that forgot them
  await release.close()
})

it('a unit whose caller left has had its arm, and no value', async () => {
  const clock = fakeClock()
  const slow = predictor((_: number, { signal }) => new Promise<string>((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('left')))), { clock, name: 'delay', version: '2', digest: 'candidate' } as never)
  const { release } = await released({ clock, plan: { ...simple, steps: [{ weight: 0.5, minUnits: 1000 }], evidence: { metrics: [failureMetric(), rateMetric({ name: 'answered', better: 'higher', role: 'guardrail', from: () => true })] } }, candidate: slow })
  await release.start({ by: 'ann' })
  for (let i = 0; i < 40; i++) {
    const caller = new AbortController()
    const answer = release(i, { key: `user-${i}`, signal: caller.signal }).catch(() => {})
    await clock.settle()
    caller.abort()
    await answer
  }
  const { verdict, stage } = await release.tick()
  expect(verdict!.exposures['control']! + verdict!.exposures['candidate']!).toBe(40)
  expect(verdict!.exposures['candidate']).toBeGreaterThan(10)
  expect([stage, verdict!.metrics[0]!.worse.eValue, verdict!.metrics[1]!.arms['candidate']!.units]).toEqual(['canary', 1, 0])
  await release.close()
})

it('the second model of a cascade that is the candidate is no failure', async () => {
  const clock = fakeClock()
  const arm = (): Predictor<number, string> => cascade((_: number) => 'unsure', (_: number) => 'sure', { isUnsure: () => true }) as never
  const { release } = await released({ clock, candidate: arm(), plan: { ...simple, steps: [{ weight: 0.5, minUnits: 1000 }], objective: { objective: 0.99 } } })
  await release.start({ by: 'ann' })
  await serve(release, 0, 100)
  const { stage, verdict } = await release.tick()
  expect([stage, verdict!.metrics[0]!.worse.eValue]).toEqual(['canary', 1])
  await release.close()
})

it('a call that a retry outside repeats counts once in the error budget and the labels', async () => {
  let calls = 0
  const flaky = (): string => {
    if ((calls += 1) % 2 === 1) throw new Error('once')
    return 'control'
  }
  const { release, clock } = await released({ control: flaky, candidate: flaky, plan: { ...labelled, steps: [{ weight: 0.5 }] } })
  const predict = pipe(release, retry({ retries: 1, minDelayMs: 0 } as never))
  await release.start({ by: 'ann' })
  const call = predict(1, { key: 'u', id: 'p' })
  for (let i = 0; i < 5; i++) await clock.advance(1000)
  await call
  expect(release.status.labels).toMatchObject({ pending: 1, expired: 0 })
  await predict.close()
  await release.close()
})

it('states of a rollout whose name begins like this one are not its processes', async () => {
  const clock = fakeClock()
  const shared = { clock, states: memoryStateStore(clock), process: 'a' }
  const { release } = await released(shared)
  const other = (await released({ ...shared, name: 'delay.eu' })).release
  await other.start({ by: 'ann' })
  await release.start({ by: 'ann' })
  expect(await release.tick()).toMatchObject({ processes: 1, refused: [] })
  await expect(released({ ...shared, process: 'a b' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  await release.close()
  await other.close()
})
