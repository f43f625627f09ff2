import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fallback, pipe, predictor, seededRandom, type ModelIdentity, type Predictor } from 'outrigger'
import { failureMetric, meanMetric, rateMetric } from 'outrigger/experiment'
import { fileLedger, rollout, type Rollout, type RolloutOptions, type RolloutPlan } from 'outrigger/route'
import { memoryJournal, memoryStateStore } from 'outrigger/store'
import { fakeClock, type FakeClock } from 'outrigger/testing'

const folder = mkdtempSync(join(tmpdir(), 'outrigger-rollout-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const versionOf = (arm: 'control' | 'candidate'): ModelIdentity => ({ name: 'delay', version: arm === 'control' ? '1' : '2', digest: arm === 'control' ? 'aaa' : 'bbb' })
const model = (version: string, digest: string, clock: FakeClock, go: (x: number) => number): Predictor<number, number> => predictor(go, { clock, name: 'delay', version, digest } as never)
const minute = 60_000
const simple: RolloutPlan = {
  steps: [{ weight: 0.1, minMs: 10 * minute, minUnits: 20 }, { weight: 0.5, minMs: 10 * minute, minUnits: 50 }],
  evidence: { metrics: [failureMetric()] },
  promotion: 'unless-worse',
}

type Given = Partial<RolloutOptions<number, number>> & { readonly clock?: FakeClock; readonly good?: (x: number) => number; readonly bad?: (x: number) => number }

const released = async ({ clock = fakeClock(), good = (x) => x, bad = (x) => x + 1, ...more }: Given = {}): Promise<{ release: Rollout<number, number>; clock: FakeClock }> => {
  const release = await rollout<number, number>({ name: 'delay', control: model('1', 'aaa', clock, good), candidate: model('2', 'bbb', clock, bad), versionOf, plan: simple, everyMs: 0, ...more })
  return { release, clock }
}
const broken = (): number => {
  throw new Error('broken')
}
const serve = async (release: Predictor<number, number>, from: number, to: number): Promise<number> => {
  let fromCandidate = 0
  for (let i = from; i < to; i++) {
    const answer = await release(i, { key: `user-${i}`, id: `p${i}` }).catch(() => NaN)
    if (answer !== i) fromCandidate++
  }
  return fromCandidate
}

describe('a rollout in one process', () => {
  it('serves the control until it is started', async () => {
    const { release } = await released()
    expect(await serve(release, 0, 50)).toBe(0)
    expect(release.status).toMatchObject({ stage: 'idle', weight: 0 })
    await release.close()
  })

  it('goes through its steps by time and units, and promotes', async () => {
    const { release, clock } = await released()
    await release.start({ by: 'ann' })
    expect(release.status).toMatchObject({ stage: 'canary', step: 0, weight: 0.1 })
    const tenth = await serve(release, 0, 400)
    expect(tenth).toBeGreaterThan(20)
    expect(tenth).toBeLessThan(70)
    expect(await release.tick()).toMatchObject({ step: 0, waits: ['time: 0 of 600000 ms'] })
    await clock.advance(10 * minute)
    expect(await release.tick()).toMatchObject({ step: 1, weight: 0.5 })
    // Units of this step: those of the step before do not count.
    await clock.advance(10 * minute)
    expect(await release.tick()).toMatchObject({ step: 1, waits: ['units of the candidate: 0 of 50'] })
    await serve(release, 0, 200)
    expect(await release.tick()).toMatchObject({ stage: 'promoted', weight: 1, end: { cause: 'time', isApplied: true } })
    expect(await serve(release, 0, 20)).toBe(20)
    expect(release.text()).toMatch(/^rollout delay: delay@2 \(bbb\) against 1 promoted\n/)
    await release.close()
  })

  it('nobody leaves the candidate as it grows', async () => {
    const { release, clock } = await released()
    await release.start({ by: 'ann' })
    const at = async (): Promise<boolean[]> => {
      const had: boolean[] = []
      for (let i = 0; i < 300; i++) had.push((await release(i, { key: `u${i}` })) !== i)
      return had
    }
    const before = await at()
    await clock.advance(10 * minute)
    await release.tick()
    const after = await at()
    expect(release.status.step).toBe(1)
    expect(before.every((had, i) => !had || after[i])).toBe(true)
    await release.close()
  })

  it('a broken candidate gets no call after the failure that proves it', async () => {
    const { release } = await released({ bad: broken, plan: { ...simple, steps: [{ weight: 0.01 }] } })
    const events: string[] = []
    release.observe((event) => void (event.type === 'state' && event.layer === 'rollout' && events.push(`${event.from} → ${event.to}`)))
    await release.start({ by: 'ann' })
    let failures = 0
    for (let i = 0; i < 2000; i++) await release(i, { key: `user-${i}` }).catch(() => (failures += 1))
    expect(failures).toBeGreaterThan(0)
    expect(failures).toBeLessThanOrEqual(3)
    expect(await release.tick()).toMatchObject({ stage: 'rolled-back', weight: 0, end: { cause: 'evidence', quarantine: true }, quarantined: ['bbb'] })
    expect(events).toEqual(['idle → shadow', 'shadow → canary 1 %', 'canary 1 % → rolled-back'])
    expect(release.text()).toMatch(/worse by evidence in failures[\s\S]*failures \(guardrail/)
    await release.close()
  })

  it('counts what a fallback outside of it made good as a failure', async () => {
    const { release, clock } = await released({ bad: broken, plan: { ...simple, steps: [{ weight: 0.5 }] } })
    const predict = pipe(release, fallback(() => -1))
    await release.start({ by: 'ann' })
    let made = 0
    for (let i = 0; i < 200; i++) if ((await predict(i, { key: `user-${i}` })) === -1) made++
    await clock.settle()
    expect(made).toBeGreaterThan(0)
    expect(made).toBeLessThan(30)
    expect(release.status.stage).toBe('rolled-back')
    await predict.close()
    await release.close()
  })

  it('counts rows of batches as it does single calls', async () => {
    const { release, clock } = await released({ bad: broken, plan: { ...simple, steps: [{ weight: 0.5 }] } })
    await release.start({ by: 'ann' })
    for (let i = 0; i < 10; i++) await release.detailedBatch([1, 2, 3, 4], { keys: [0, 1, 2, 3].map((row) => `user-${4 * i + row}`) })
    await clock.settle()
    expect(release.status.stage).toBe('rolled-back')
    await release.close()
  })

  it('promotes by evidence of late labels', async () => {
    const random = seededRandom(3)
    const plan: RolloutPlan = { steps: [{ weight: 0.5 }], evidence: { metrics: [failureMetric(), meanMetric({ name: 'error', better: 'lower', range: [0, 1], fromLabel: ({ label }) => label.value as number })] } }
    const { release, clock } = await released({ plan })
    await release.start({ by: 'ann' })
    for (let i = 0; i < 2000 && release.status.stage === 'canary'; i++) {
      const isCandidate = (await release(i, { key: `user-${i}`, id: `p${i}` })) !== i
      release.label(`p${i}`, Math.min(1, Math.max(0, (isCandidate ? 0.3 : 0.5) + 0.3 * (random.next() - 0.5))), clock.wall())
      if (i % 100 === 99) await release.tick()
    }
    expect(release.status).toMatchObject({ stage: 'promoted', end: { cause: 'evidence' } })
    expect(release.text()).toMatch(/error \(primary, lower is better\)/)
    await release.close()
  })

  it('a candidate that is worse by labels is rolled back', async () => {
    const plan: RolloutPlan = { steps: [{ weight: 0.5 }], evidence: { metrics: [rateMetric({ name: 'hit', better: 'higher', fromLabel: ({ label }) => label.value as boolean })] } }
    const { release, clock } = await released({ plan })
    await release.start({ by: 'ann' })
    for (let i = 0; i < 2000 && release.status.stage === 'canary'; i++) {
      const isCandidate = (await release(i, { key: `user-${i}`, id: `p${i}` })) !== i
      release.label(`p${i}`, i % 10 < (isCandidate ? 4 : 8), clock.wall())
      if (i % 50 === 49) await release.tick()
    }
    expect(release.status).toMatchObject({ stage: 'rolled-back', quarantined: ['bbb'] })
    await release.close()
  })

  it('runs the candidate in the shadow first, and waits for a person where it fails or differs too often', async () => {
    const plan: RolloutPlan = { ...simple, shadow: { minRows: 30, maxFailures: 0.2, maxDisagreement: 0.2 } }
    for (const [bad, why] of [[(x: number) => x, undefined], [(x: number) => x + 1, /differences/], [broken, /failures/]] as const) {
      const { release, clock } = await released({ plan, bad, shadow: { guard: false, breaker: false, concurrency: 100 } })
      await release.start({ by: 'ann' })
      expect(release.status.waits[0]).toBe('rows in the shadow: 0 of 30')
      expect(await serve(release, 0, 60)).toBe(0)
      for (let run = 0; run < 60; run++) await clock.settle()
      const { stage, waits } = await release.tick()
      expect(stage).toBe(why === undefined ? 'canary' : 'shadow')
      if (why !== undefined) expect(waits.join()).toMatch(why)
      await release.close()
    }
  })
})

describe('people', () => {
  it('hold, resume, approve, abort and promote, each with a name and a reason', async () => {
    const { release, clock } = await released({ plan: { ...simple, approval: 'every-step', steps: [{ weight: 0.1, minUnits: 1 }, { weight: 0.2, minUnits: 1 }] } })
    await expect(release.hold({ by: 'bo', reason: 'lunch' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ROLLOUT', reason: 'idle' })
    await release.start({ by: 'ann' })
    expect(release.status).toMatchObject({ stage: 'shadow', waits: ['approval'] })
    await release.approve({ by: 'cy', reason: 'go' })
    await serve(release, 0, 100)
    expect((await release.tick()).waits).toEqual(['approval'])
    expect(await release.hold({ by: 'bo', reason: 'lunch' })).toMatchObject({ held: { by: 'bo', reason: 'lunch' }, waits: ['bo to resume: lunch', 'approval'] })
    await release.approve({ by: 'cy', reason: 'fine' })
    expect(release.status.step).toBe(0)
    expect(await release.resume({ by: 'bo', reason: 'back' })).toMatchObject({ step: 1 })
    await expect(release.hold({ by: '', reason: 'x' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    expect(await release.abort({ by: 'bo', reason: 'the airport closed' })).toMatchObject({ stage: 'rolled-back', quarantined: [], end: { by: 'bo', cause: 'person' } })
    expect(release.text()).toMatch(/held by bo: lunch[\s\S]*rolled-back by bo: the airport closed/)
    await expect(release.start({ by: 'ann' })).rejects.toMatchObject({ reason: 'cooling' })
    await clock.advance(60 * minute)
    await release.start({ by: 'ann' })
    expect(await release.promote({ by: 'ann', reason: 'a leap of faith' })).toMatchObject({ stage: 'promoted', weight: 1, release: 2 })
    await release.close()
  })

  it('a quarantined candidate starts again only if told so', async () => {
    const { release, clock } = await released({ bad: broken, plan: { ...simple, steps: [{ weight: 0.5 }], coolDownMs: 0 } })
    await release.start({ by: 'ann' })
    await serve(release, 0, 50)
    await clock.settle()
    await expect(release.start({ by: 'ann' })).rejects.toMatchObject({ reason: 'quarantined', digest: 'bbb' })
    expect(await release.start({ by: 'ann', again: true })).toMatchObject({ stage: 'canary', release: 2, weight: 0.5 })
    await release.close()
  })

  it('the same version is none to release', async () => {
    const { release } = await released({ versionOf: () => ({ name: 'delay', version: '1', digest: 'aaa' }) })
    await expect(release.start({ by: 'ann' })).rejects.toMatchObject({ reason: 'same' })
    await release.close()
  })
})

describe('guards and objectives', () => {
  it('a guard stops it, and one that may rolls it back', async () => {
    let answer: unknown = 'unknown'
    const guards = [{ name: 'drift', check: () => answer as never, then: 'roll-back' as const }]
    const { release } = await released({ plan: { ...simple, guards, steps: [{ weight: 0.1, minUnits: 1 }] } })
    await release.start({ by: 'ann' })
    expect(release.status).toMatchObject({ stage: 'shadow', waits: ['the guard drift, which is unknown: no reason given'] })
    answer = 'ok'
    expect(await release.tick()).toMatchObject({ stage: 'canary' })
    await serve(release, 0, 100)
    expect(await release.tick()).toMatchObject({ stage: 'promoted' })
    await release.close()
    const second = await released({ plan: { ...simple, guards } })
    await second.release.start({ by: 'ann' })
    answer = { status: 'bad', why: 'the moon' }
    expect(await second.release.tick()).toMatchObject({ stage: 'rolled-back', end: { cause: 'guard', reason: 'The guard drift is bad: the moon' } })
    await second.release.close()
  })

  it('both arms bad: the objective of the service rolls it back, without quarantine', async () => {
    const { release, clock } = await released({ good: broken, bad: broken, plan: { ...simple, steps: [{ weight: 0.5 }], evidence: { metrics: [failureMetric()] }, objective: { objective: 0.99 } } })
    await release.start({ by: 'ann' })
    for (let i = 0; i < 40; i++) await release(i, { key: `user-${i}` }).catch(() => {})
    await clock.settle()
    const status = await release.tick()
    expect(status.stage).toBe('rolled-back')
    if (status.end?.cause === 'objective') expect(status.quarantined).toEqual([])
    expect(status.end?.cause).toBe('objective')
    await release.close()
  })
})

describe('a restart', () => {
  it('goes on in the same step with the same units and counts, from the ledger', async () => {
    const journal = memoryJournal()
    const clock = fakeClock()
    const path = join(folder, 'restart.ledger')
    const first = await released({ clock, journal, ledger: fileLedger({ path }) })
    await first.release.start({ by: 'ann' })
    await serve(first.release, 0, 300)
    const units = (await first.release.tick()).verdict!.exposures
    // No close: a crash does not close.
    const second = await released({ clock, journal, ledger: fileLedger({ path }) })
    expect(second.release.status).toMatchObject({ stage: 'canary', step: 0, weight: 0.1, release: 1 })
    expect((await second.release.tick()).verdict!.exposures).toEqual(units)
    await serve(second.release, 0, 300)
    expect((await second.release.tick()).verdict!.exposures).toEqual(units)
    await serve(second.release, 300, 310)
    const more = (await second.release.tick()).verdict!.exposures
    expect(more['control']! + more['candidate']!).toBe(310)
    await second.release.close()
  })

  it('goes on from what was published where there is no ledger', async () => {
    const clock = fakeClock()
    const shared = { journal: memoryJournal(), states: memoryStateStore(clock), process: 'web-1' }
    const first = await released({ clock, ...shared })
    await first.release.start({ by: 'ann' })
    await serve(first.release, 0, 100)
    const { verdict } = await first.release.tick()
    const second = await released({ clock, ...shared })
    expect((await second.release.tick()).verdict!.exposures).toEqual(verdict!.exposures)
    await second.release.close()
  })

  it('labels of predictions before it are joined after it', async () => {
    const journal = memoryJournal()
    const clock = fakeClock()
    const path = join(folder, 'labels.ledger')
    const plan: RolloutPlan = { steps: [{ weight: 0.5 }], evidence: { metrics: [rateMetric({ name: 'hit', better: 'higher', fromLabel: ({ label }) => label.value as boolean })] } }
    const first = await released({ clock, journal, plan, ledger: fileLedger({ path }) })
    await first.release.start({ by: 'ann' })
    await serve(first.release, 0, 10)
    first.release.label('p0', true, clock.wall())
    const second = await released({ clock, journal, plan, ledger: fileLedger({ path }) })
    expect(second.release.status.labels).toMatchObject({ joined: 1, pending: 9 })
    second.release.label('p0', true, clock.wall())
    second.release.label('p1', true, clock.wall())
    expect(second.release.status.labels).toMatchObject({ joined: 2, duplicate: 1, pending: 8 })
    const arms = (await second.release.tick()).verdict!.metrics[0]!.arms
    expect(arms['control']!.units + arms['candidate']!.units).toBe(2)
    await second.release.close()
  })

  it('with another plan is refused while it is under way', async () => {
    const journal = memoryJournal()
    const { release, clock } = await released({ journal })
    await release.start({ by: 'ann' })
    await expect(released({ clock, journal, plan: { ...simple, steps: [{ weight: 0.9 }] } })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ROLLOUT', reason: 'plan' })
    await release.close()
  })

  it('a damaged ledger or journal is refused', async () => {
    const journal = memoryJournal()
    const { release, clock } = await released({ journal, ledger: fileLedger({ path: join(folder, 'damaged.ledger') }) })
    await release.start({ by: 'ann' })
    await serve(release, 0, 10)
    const damaged = { lines: [...fileLedger({ path: join(folder, 'damaged.ledger') }).lines, '{"x":'], append: () => {}, isLong: false, reset: () => {}, close: () => {} }
    await expect(released({ clock, journal, ledger: damaged })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ROLLOUT', reason: 'ledger' })
    await journal.append('delay', 2, '{"kind":"advanced","at":1,"by":"x","to":7}')
    await expect(released({ clock, journal })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ROLLOUT', reason: 'journal' })
    await release.close()
  })

  it('applies to the target what was decided before it, once more if need be', async () => {
    const journal = memoryJournal()
    const moved: string[] = []
    const failing = { promote: () => Promise.reject(new Error('registry down')), rollBack: () => {} }
    const clock = fakeClock()
    const first = await released({ clock, journal, target: failing })
    await first.release.start({ by: 'ann' })
    await expect(first.release.promote({ by: 'ann', reason: 'now' })).rejects.toThrow('registry down')
    expect(first.release.status).toMatchObject({ stage: 'promoted', end: { isApplied: false } })
    const second = await released({ clock, journal, target: { promote: ({ candidate, reason }) => void moved.push(`${candidate.version}: ${reason}`), rollBack: () => {} } })
    expect(await second.release.tick()).toMatchObject({ end: { isApplied: true } })
    await second.release.tick()
    expect(moved).toEqual(['2: now'])
    await second.release.close()
  })
})

describe('several processes', () => {
  const two = async (more: Given = {}): Promise<{ a: Rollout<number, number>; b: Rollout<number, number>; clock: FakeClock }> => {
    const clock = fakeClock()
    const shared = { journal: memoryJournal(), states: memoryStateStore(clock), clock, ...more }
    return { a: (await released({ ...shared, process: 'a' })).release, b: (await released({ ...shared, process: 'b' })).release, clock }
  }

  it('agree on one decision, on the sum of what they have counted', async () => {
    const { a, b, clock } = await two()
    await a.start({ by: 'ann' })
    await b.tick()
    expect(b.status).toMatchObject({ stage: 'canary', weight: 0.1 })
    await serve(a, 0, 150)
    await serve(b, 150, 300)
    await b.tick()
    await clock.advance(10 * minute)
    expect(await a.tick()).toMatchObject({ step: 1, processes: 2, refused: [] })
    expect(a.status.verdict!.exposures['control']! + a.status.verdict!.exposures['candidate']!).toBe(300)
    expect(await b.tick()).toMatchObject({ step: 1, weight: 0.5 })
    await a.close()
    await b.close()
  })

  it('roll back together, by failures of either', async () => {
    const { a, b, clock } = await two({ bad: broken })
    await a.start({ by: 'ann' })
    await b.tick()
    for (let i = 0; i < 300; i++) {
      const process = i % 2 === 0 ? a : b
      await process(i, { key: `user-${i}` }).catch(() => {})
      if (i % 10 === 9) {
        await a.tick()
        await b.tick()
      }
    }
    await clock.settle()
    expect([a.status.stage, b.status.stage]).toEqual(['rolled-back', 'rolled-back'])
    await a.close()
    await b.close()
  })

  it('of two that start at once one does, and the other goes on with it', async () => {
    const { a, b } = await two()
    const [first, second] = await Promise.all([a.start({ by: 'ann' }), b.start({ by: 'bo' })])
    expect([first.release, second.release]).toEqual([1, 1])
    await a.close()
    await b.close()
  })

  it('that serve the same units judge each alone, and say so', async () => {
    const { a, b } = await two({ bad: broken })
    await a.start({ by: 'ann' })
    await b.tick()
    await serve(a, 0, 20)
    await serve(b, 0, 20)
    await b.tick()
    const status = await a.tick()
    expect(status.refused).toEqual([])
    expect(status.verdict!.reason).toMatch(/served by several of 2 processes/)
    for (let i = 20; i < 400 && a.status.stage !== 'rolled-back'; i++) {
      await a(i, { key: `user-${i}` }).catch(() => {})
      await a.tick()
    }
    expect(a.status.stage).toBe('rolled-back')
    await a.close()
    await b.close()
  })

  it('damaged counts of one stop it, and are told', async () => {
    const clock = fakeClock()
    const states = memoryStateStore(clock)
    const { release } = await released({ clock, states, process: 'a' })
    await states.put('delay.b', '{', 1e9)
    await release.start({ by: 'ann' })
    expect(release.status).toMatchObject({ stage: 'shadow', refused: [expect.stringContaining('delay.b: what it published is damaged')] })
    await states.remove('delay.b')
    expect(await release.tick()).toMatchObject({ stage: 'canary', refused: [] })
    await release.close()
  })

  it('a store that is down leaves the weights, and what this process sees alone still counts', async () => {
    const clock = fakeClock()
    let isDown = false
    const journal = memoryJournal()
    const flaky = { read: (name: string, from?: number) => (isDown ? Promise.reject(new Error('down')) : journal.read(name, from)), append: (...given: Parameters<typeof journal.append>) => (isDown ? Promise.reject(new Error('down')) : journal.append(...given)) }
    const { release } = await released({ clock, journal: flaky, bad: broken, plan: { ...simple, steps: [{ weight: 0.5 }] } })
    const notices: string[] = []
    release.observe((event) => void (event.type === 'notice' && notices.push(event.message)))
    await release.start({ by: 'ann' })
    isDown = true
    await expect(release.tick()).rejects.toThrow('down')
    expect(release.status.weight).toBe(0.5)
    let failures = 0
    for (let i = 0; i < 200; i++) await release(i, { key: `user-${i}` }).catch(() => (failures += 1))
    await clock.settle()
    expect(failures).toBeLessThan(15)
    expect(release.status).toMatchObject({ stage: 'canary', weight: 0 })
    expect(notices[0]).toMatch(/could not be written/)
    isDown = false
    expect(await release.tick()).toMatchObject({ stage: 'rolled-back' })
    await release.close()
  })
})

it('another version behind the candidate stops it', async () => {
  let version = '2'
  const { release } = await released({ versionOf: (arm) => (arm === 'control' ? versionOf(arm) : { name: 'delay', version, digest: `digest-${version}` }), plan: { ...simple, steps: [{ weight: 0.1, minUnits: 1 }] } })
  await release.start({ by: 'ann' })
  version = '3'
  await serve(release, 0, 100)
  expect((await release.tick()).waits).toEqual(['the candidate that it started with (2): current value is 3'])
  await release.close()
})

it('looks by itself', async () => {
  const { release, clock } = await released({ everyMs: 1000, plan: { ...simple, steps: [{ weight: 0.1, minMs: 5000, minUnits: 1 }] } })
  await release.start({ by: 'ann' })
  await serve(release, 0, 100)
  expect(clock.holding).toBe(0)
  await clock.advance(6000)
  expect(release.status.stage).toBe('promoted')
  await release.close()
})

it.each([[{ name: 'a/b' }], [{ everyMs: -1 }], [{ journal: {} }], [{ states: memoryStateStore() }], [{ steps: [] }], [{ target: {} }]])('refuses %j', async (more) => {
  await expect(released(more as never)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
})
