import { channel } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fallback, pipe, predictor } from 'outrigger'
import type { NoticeEvent, PredictionRecord, StateEvent } from 'outrigger/core'
import { alerts, objectives, type AlertMessage, type AlertsOptions, type AlertsState, type ObjectiveOptions } from 'outrigger/observe'
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { BurnAlert } from '../../../src/observe/slo/_burn-alert.js'

const minute = 60_000
const hour = 60 * minute
const heard: (StateEvent | NoticeEvent)[] = []
const hear = (event: unknown): void => void heard.push(event as StateEvent)
beforeEach(() => {
  heard.length = 0
  for (const name of ['state', 'notice']) channel(`outrigger:${name}`).subscribe(hear)
})
afterEach(() => {
  for (const name of ['state', 'notice']) channel(`outrigger:${name}`).unsubscribe(hear)
})

/** A service that fails when told to, watched. */
const service = (list: readonly ObjectiveOptions[], options: Partial<AlertsOptions> = {}, clock: FakeClock = fakeClock()) => {
  const told: AlertMessage[] = []
  const watch = alerts({ source: 'flights', objectives: objectives(list), sinks: [(message) => void told.push(message)], clock, ...options })
  const predict = pipe(predictor((x: number) => {
    if (x < 0) throw new Error(`no such flight ${x}`)
    return x
  }, { clock, name: 'delay' }))
  predict.observe(watch.observer)
  /** So many minutes, with so many good and bad calls in each. */
  const run = async (minutes: number, good: number, bad: number): Promise<void> => {
    for (let at = 0; at < minutes; at += 1) {
      for (let call = 0; call < good + bad; call += 1) await predict(call < bad ? -1 : 1).catch(() => {})
      await clock.advance(minute)
    }
  }
  return { clock, told, watch, predict, run }
}
const availability = { kind: 'availability', objective: 0.99 } as const
const said = (told: readonly AlertMessage[]) => told.map(({ key, state, isRepeat }) => `${key} ${state}${isRepeat ? ' again' : ''}`)

describe('alerts', () => {
  test('alerts are told once while the budget burns, and once when it is over', async () => {
    const { told, watch, run, clock } = service([availability])
    await run(5, 20, 0)
    const began = clock.wall()
    await run(8, 10, 10)
    expect(said(told)).toEqual(['flights/availability/page firing'])
    expect(told[0]).toMatchObject({
      v: 1, severity: 'page', source: 'flights', objective: { name: 'availability', kind: 'availability', objective: 0.99, periodMs: 30 * 24 * hour },
      rules: [{ name: 'fast', longMs: hour, shortMs: 5 * minute, rate: 14.4 }, { name: 'slow', isBurning: true }],
    })
    expect(told[0]!.startedAt).toBeGreaterThanOrEqual(began)
    expect(told[0]!.title).toMatch(/^flights: availability burns its error budget [\d.]+ times too fast: \d+ of \d+ events in [16] h were bad \(objective 99 %, 0 % of the budget is left\)\.$/)
    const [status] = watch.status
    expect(status).toMatchObject({ isBurning: true, told: 'page', since: told[0]!.startedAt, events: 260, bad: 80, attainment: 1 - 80 / 260 })
    expect(status!.budgetLeft).toBeCloseTo(1 - 80 / 260 / 0.01, 8)
    await run(40, 20, 0)
    expect(said(told)).toEqual(['flights/availability/page firing', 'flights/availability/page resolved', 'flights/availability/ticket firing'])
    expect(told[1]).toMatchObject({ startedAt: told[0]!.startedAt, title: 'flights: availability is back within its error budget (objective 99 %).' })
    expect(heard.map((event) => event.type === 'state' && [event.layer, event.subject, event.from, event.to])).toEqual([
      ['alerts', 'availability', 'ok', 'page'], ['alerts', 'availability', 'page', 'ok'], ['alerts', 'availability', 'ok', 'ticket'],
    ])
    await watch.close()
  })

  test('alerts say nothing while fewer than minimumBad events were bad, and at a share within the budget', async () => {
    const { told, run, watch } = service([{ ...availability, minimumBad: 10 }])
    await run(9, 1, 1)
    expect(told).toEqual([])
    expect(watch.status[0]!.rules[0]!.long).toBeCloseTo(50)
    await run(1, 1, 1)
    expect(said(told)).toEqual(['flights/availability/page firing'])
    await watch.close()
  })

  test('alerts do not repeat a ticket beside a page', async () => {
    const { told, run, watch } = service([availability])
    await run(30, 5, 5)
    expect(watch.status[0]!.rules.map(({ isBurning }) => isBurning)).toEqual([true, true, true])
    expect(said(told)).toEqual(['flights/availability/page firing'])
    await watch.close()
  })

  test('alerts that go on are told again after repeatMs', async () => {
    const { told, run, watch } = service([availability], { repeatMs: 10 * minute })
    await run(25, 5, 5)
    expect(said(told)).toEqual(['flights/availability/page firing', 'flights/availability/page firing again', 'flights/availability/page firing again'])
    expect(told[2]!.at - told[1]!.at).toBe(10 * minute)
    expect(heard).toHaveLength(1)
    await watch.close()
  })

  test('alerts count what callers saw: aborted calls not, fallbacks only where the model has to answer', async () => {
    const clock = fakeClock()
    const watch = alerts({ objectives: objectives([availability, { ...availability, name: 'by-model', answersBy: 'model' }, { ...availability, name: 'ignoring', ignore: ['TypeError'] }]), clock })
    const model = (x: number): number => {
      if (x < 0) throw new TypeError('down')
      return x
    }
    const bare = pipe(predictor(model, { clock }))
    const safe = pipe(predictor(model, { clock }), fallback(() => 0))
    for (const one of [bare, safe]) one.observe(watch.observer)
    for (const x of [1, -1]) await bare(x).catch(() => {})
    await safe(-1)
    await bare(1, { signal: AbortSignal.abort() }).catch(() => {})
    expect(watch.status.map(({ name, counted }) => [name, counted.events, counted.bad])).toEqual([['availability', 3, 1], ['by-model', 3, 2], ['ignoring', 2, 0]])
    await watch.close()
  })

  test('alerts take each record for good, bad or none', async () => {
    const clock = fakeClock()
    const watch = alerts({ clock, objectives: objectives([availability, { ...availability, name: 'by-model', answersBy: 'model' }]) })
    const { record } = await predictor((x: number) => x, { clock }).detailed(1)
    /** Counted and bad, of both. */
    const counted = (more: Partial<PredictionRecord>): readonly number[] => {
      const before = watch.status.map((status) => status.counted)
      watch.observer({ type: 'prediction', record: { ...record, ...more } })
      return watch.status.flatMap((status, index) => [status.counted.events - before[index]!.events, status.counted.bad - before[index]!.bad])
    }
    expect(counted({})).toEqual([1, 0, 1, 0])
    for (const source of ['cache', 'coalesced'] as const) expect(counted({ source })).toEqual([1, 0, 1, 0])
    for (const source of ['stale', 'fallback'] as const) expect(counted({ source })).toEqual([1, 0, 1, 1])
    for (const outcome of ['error', 'timeout', 'rejected'] as const) expect(counted({ outcome, source: undefined })).toEqual([1, 1, 1, 1])
    expect(counted({ outcome: 'aborted', source: undefined })).toEqual([0, 0, 0, 0])
    expect(counted({ outcome: 'error', isShadow: true })).toEqual([0, 0, 0, 0])
    await watch.close()
  })

  test('alerts judge latency by the time of answers, and only of answers', async () => {
    const clock = fakeClock()
    const watch = alerts({ objectives: objectives([{ kind: 'latency', objective: 0.9, thresholdMs: 100 }]), clock })
    const predict = pipe(predictor(async (ms: number) => {
      await clock.advance(Math.abs(ms))
      if (ms < 0) throw new Error('down')
    }, { clock }))
    predict.observe(watch.observer)
    for (const ms of [100, 101, -500]) await predict(ms).catch(() => {})
    expect(watch.status[0]!.counted).toEqual({ events: 2, bad: 1 })
    await watch.close()
  })

  test('alerts judge quality by labels, when they come', async () => {
    const clock = fakeClock()
    const watch = alerts({ objectives: objectives([{ kind: 'quality', objective: 0.5, good: ({ label }) => (label.value as number | undefined) === undefined ? undefined : (label.value as number) > 0 }]), clock })
    const predict = predictor((x: number) => x, { clock })
    predict.observe(watch.observer)
    for (const id of ['a', 'b', 'c']) await predict(1, { id })
    await clock.advance(hour)
    watch.label('a', 1, clock.wall())
    watch.label('b', -1, clock.wall())
    watch.label('c', undefined, clock.wall())
    watch.label('d', 1, clock.wall())
    expect([watch.status[0]!.counted, watch.labels.unmatched]).toEqual([{ events: 2, bad: 1 }, 1])
    await watch.close()
  })

  test('alerts sample drift and freshness at each look', async () => {
    const clock = fakeClock()
    const monitor = { state: 'too-few-rows' }
    let updatedAt: number | undefined = clock.wall()
    const watch = alerts({
      everyMs: minute, clock,
      objectives: objectives([{ kind: 'drift', objective: 0.9 }, { kind: 'drift', name: 'one', objective: 0.9, monitor }, { kind: 'freshness', objective: 0.9, maxAgeMs: 2 * minute, updatedAt: () => updatedAt }]),
    })
    const counted = () => watch.status.map(({ counted: { events, bad } }) => [events, bad])
    await clock.advance(2 * minute)
    expect(counted()).toEqual([[2, 0], [0, 0], [2, 0]])
    const drift = (to: string): void => watch.observer({ type: 'state', layer: 'drift-monitor', subject: 'drift', from: '', to, reason: '', at: clock.wall() })
    drift('drifted')
    monitor.state = 'drifted'
    await clock.advance(minute)
    expect(counted()).toEqual([[3, 1], [1, 1], [3, 1]])
    drift('ok')
    monitor.state = 'ok'
    updatedAt = undefined
    await clock.advance(minute)
    expect(counted()).toEqual([[4, 1], [2, 1], [4, 2]])
    watch.check()
    expect(counted()).toEqual([[4, 1], [2, 1], [4, 2]])
    await watch.close()
  })

  test('alerts count events of the stack, and totals that start anew', async () => {
    const clock = fakeClock()
    const totals = { events: 100, bad: 50 }
    const watch = alerts({ everyMs: Infinity, clock, objectives: objectives([
      { kind: 'custom', name: 'breaker', objective: 0.9, ofEvent: (event) => (event.type === 'state' && event.layer === 'circuit-breaker' ? event.to !== 'open' : undefined) },
      { kind: 'custom', name: 'totals', objective: 0.9, counts: () => totals },
    ]) })
    for (const to of ['open', 'closed']) watch.observer({ type: 'state', layer: 'circuit-breaker', subject: 'model', from: '', to, reason: '', at: clock.wall() })
    watch.observer({ type: 'notice', layer: 'cached', message: '', at: clock.wall() })
    watch.check()
    Object.assign(totals, { events: 110, bad: 51 })
    watch.check()
    Object.assign(totals, { events: 4, bad: 1 })
    watch.check()
    Object.assign(totals, { events: 3, bad: 1 })
    watch.check()
    expect(watch.status.map(({ counted }) => counted)).toEqual([{ events: 2, bad: 1 }, { events: 17, bad: 3 }])
    await watch.close()
  })

  test('alerts: a function that throws is told once, and keeps nobody else from counting', async () => {
    const { watch, predict } = service([{ kind: 'custom', name: 'broken', objective: 0.9, ofRecord: () => { throw new Error('mine') } }, availability])
    await predict(1)
    await predict(1)
    expect(heard).toMatchObject([{ type: 'notice', layer: 'alerts', message: 'The objective `broken` could not be counted: its function threw.' }])
    expect(watch.status.map(({ counted }) => counted.events)).toEqual([0, 2])
    await watch.close()
  })

  test('alerts: a sink that fails, hangs or is slow keeps no other from being told', async () => {
    const clock = fakeClock()
    const told: string[] = []
    const signals: AbortSignal[] = []
    const { run, watch } = service([availability], {
      sinks: [
        () => { throw new Error('no sink') },
        (_, signal) => new Promise(() => void signals.push(signal)),
        ({ state }) => void told.push(state),
      ],
      repeatMs: minute,
    }, clock)
    await run(3, 0, 10)
    expect(told).toEqual(['firing', 'firing', 'firing'])
    expect(watch.deliveries).toEqual([{ sent: 0, failed: 3, dropped: 0, waiting: 0 }, { sent: 0, failed: 0, dropped: 0, waiting: 2 }, { sent: 3, failed: 0, dropped: 0, waiting: 0 }])
    expect(heard.filter(({ type }) => type === 'notice')).toHaveLength(3)
    await clock.advance(5 * minute)
    expect(watch.deliveries[1]).toMatchObject({ failed: 1 })
    const closing = watch.close()
    await clock.advance(5000)
    await closing
    expect(signals.every(({ aborted }) => aborted)).toBe(true)
    expect(clock.pending).toBe(0)
  })

  test('alerts keep at most 100 messages for a sink that does not answer', async () => {
    const { run, watch, clock } = service([availability], { sinks: [() => new Promise(() => {})], repeatMs: 1, everyMs: 500 })
    await run(1, 0, 10)
    await clock.advance(minute)
    expect(watch.deliveries[0]).toMatchObject({ waiting: 100 })
    expect(watch.deliveries[0]!.dropped).toBeGreaterThan(100)
    const closing = watch.close()
    await clock.advance(5000)
    await closing
  })

  test('alerts go on from a saved state: counts, and who was told', async () => {
    const clock = fakeClock()
    const before = service([availability], {}, clock)
    await before.run(3, 0, 10)
    const saved = JSON.parse(JSON.stringify(before.watch)) as AlertsState
    await before.watch.close()
    const after = service([availability], { saved }, clock)
    await after.run(1, 0, 10)
    expect(after.told).toEqual([])
    expect(after.watch.status[0]).toMatchObject({ events: 40, bad: 40, told: 'page', since: before.told[0]!.startedAt })
    await after.run(40, 20, 0)
    expect(said(after.told)).toEqual(['flights/availability/page resolved', 'flights/availability/ticket firing'])
    await after.watch.close()
  })

  test('alerts start with a state of other objectives: what fits goes on, what does not is told and left out', async () => {
    const clock = fakeClock()
    const before = service([availability, { kind: 'latency', objective: 0.99, thresholdMs: 10 }], {}, clock)
    await before.run(1, 5, 5)
    const saved = JSON.parse(JSON.stringify(before.watch)) as AlertsState
    await before.watch.close()
    const after = service([{ kind: 'latency', objective: 0.95, thresholdMs: 10 }, { ...availability, name: 'new' }, availability], { saved }, clock)
    expect(after.watch.status.map(({ events }) => events)).toEqual([0, 0, 10])
    expect(heard).toMatchObject([{ type: 'notice', layer: 'alerts', message: 'What was saved of the objective `latency` does not fit it any more, and is left out.' }])
    await after.watch.close()
  })

  test('alerts see what happens though a clock was ahead: of a call, of a label, of a state, and of who was told', async () => {
    const day = 24 * hour
    const clock = fakeClock()
    let ahead = 0
    const skewed = { ...clock, wall: () => clock.wall() + ahead } as FakeClock
    const { told, watch, predict, run } = service([availability, { kind: 'quality', objective: 0.9, good: ({ label }) => label.value === true }], { everyMs: Infinity }, skewed)
    await run(60, 5, 0)
    ahead = 40 * day
    await predict(1)
    watch.check()
    ahead = 0
    watch.check()
    for (let at = 0; at < 20; at += 1) {
      await predict(1, { id: `p${at}` })
      watch.label(`p${at}`, at > 10, clock.wall() + (at === 0 ? 400 * day : 0))
    }
    await run(2, 0, 10)
    expect(watch.check().map(({ isBurning }) => isBurning)).toEqual([true, true])
    await clock.settle()
    expect(said(told)).toEqual(['flights/availability/page firing', 'flights/quality/ticket firing'])
    // Another process, whose clock is ahead.
    ahead = 10 * day
    const other = service([availability, { kind: 'quality', objective: 0.9, good: () => true }], { everyMs: Infinity }, skewed)
    await other.run(1, 0, 15)
    other.watch.check()
    const state = JSON.parse(JSON.stringify(other.watch)) as AlertsState
    ahead = 0
    watch.merge(state)
    expect(watch.status[0]).toMatchObject({ bad: 35, rules: [{ bad: 35 }, {}, {}] })
    // It is told again, though by the state somebody was told in the future.
    const again = service([availability], { everyMs: Infinity, saved: state }, skewed)
    again.watch.check()
    expect(again.watch.status[0]).toMatchObject({ told: 'page', since: clock.wall() })
    await Promise.all([watch.close(), other.watch.close(), again.watch.close()])
    expect(said(again.told)).toEqual(['flights/availability/page firing again'])
  })

  test('alerts merge the counts of another process, and refuse what is none without changing anything', async () => {
    const clock = fakeClock()
    const list = [availability, { ...availability, name: 'other' }]
    const [one, two] = [service(list, {}, clock), service(list, {}, clock)]
    await one.run(1, 0, 6)
    await two.run(1, 0, 6)
    expect([one.told.length, two.told.length]).toEqual([0, 0])
    one.watch.merge(JSON.parse(JSON.stringify(two.watch)) as AlertsState)
    expect(one.watch.check()[0]).toMatchObject({ isBurning: true, bad: 12 })
    const bad = JSON.parse(JSON.stringify(two.watch)) as { objectives: { burn: { objective: number } }[] }
    bad.objectives[1]!.burn.objective = 0.5
    for (const state of [bad, {}, undefined, { ...bad, objectives: [] }]) expect(() => one.watch.merge(state as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
    expect(one.watch.status[0]).toMatchObject({ bad: 12 })
    await Promise.all([one.watch.close(), two.watch.close()])
  })

  test('alerts hold no process, and nothing of inputs, keys and errors enters a message', async () => {
    const { told, run, watch, clock, predict } = service([availability])
    await predict(-777, { key: 'canary-key', id: 'canary-id', tags: { tag: 'canary-tag' } }).catch(() => {})
    expect(clock.holding).toBe(0)
    await run(2, 0, 20)
    expect(JSON.stringify([told, watch.toJSON(), watch.status])).not.toMatch(/canary|777|no such flight/)
    await watch.close()
    expect(clock.pending).toBe(0)
  })

  test('alerts refuse what they cannot work with', () => {
    const slo = objectives([availability])
    for (const bad of [{}, { objectives: [] }, { objectives: [availability] }, { objectives: [null] }, { objectives: slo, saved: JSON.stringify({ format: 'outrigger-alerts' }) }, { objectives: slo, sinks: [{}] }, { objectives: slo, sinks: {} }, { objectives: slo, everyMs: 1 }, { objectives: slo, misspelt: 1 }, { objectives: slo, source: '' }, { objectives: slo, saved: {} }]) {
      expect(() => alerts(bad as never), JSON.stringify(bad)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_OUTRIGGER_/) as string }))
    }
  })
})

describe('objectives', () => {
  test('objectives refuse what is none', () => {
    const bad: unknown[] = [
      [], [{ kind: 'other', objective: 0.9 }], [null], [{ kind: 'availability', objective: 1 }], [{ kind: 'availability', objective: 0 }], [availability, availability], [{ ...availability, name: 'with space' }],
      [{ kind: 'latency', objective: 0.9 }], [{ kind: 'quality', objective: 0.9 }], [{ kind: 'freshness', objective: 0.9, maxAgeMs: 1 }], [{ kind: 'custom', objective: 0.9, sample: () => true }],
      [{ kind: 'custom', name: 'a', objective: 0.9 }], [{ kind: 'custom', name: 'a', objective: 0.9, sample: () => true, counts: () => ({}) }], [{ ...availability, rules: [] }], [{ ...availability, rules: [{ name: 'a', rate: 1, longMs: 10, shortMs: 1 }] }],
      [{ ...availability, thresholdMs: 1 }], [{ ...availability, ignore: ['a"b'] }], [{ ...availability, answersBy: 'nobody' }], [{ kind: 'drift', objective: 0.9, monitor: {} }],
    ]
    for (const list of bad) expect(() => objectives(list as never), JSON.stringify(list)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_OUTRIGGER_/) as string }))
  })
})

describe('BurnAlert', () => {
  const policy = { coolDownMs: 10, repeatMs: 100 }
  test('BurnAlert that comes back within the cool-down is told when that is over, if it still burns', () => {
    const alert = new BurnAlert(policy)
    expect(alert.next(true, false, 0)).toEqual({ kind: 'firing', since: 0 })
    expect(alert.next(false, false, 1)).toEqual({ kind: 'resolved', since: 0 })
    expect([alert.next(true, false, 2), alert.next(true, false, 9)]).toEqual([undefined, undefined])
    expect(alert.next(true, false, 10)).toEqual({ kind: 'firing', since: 2 })
    expect(alert.next(false, false, 11)).toEqual({ kind: 'resolved', since: 2 })
    expect([alert.next(true, false, 12), alert.next(false, false, 13), alert.next(false, false, 30)]).toEqual([undefined, undefined, undefined])
    expect(alert.next(true, false, 31)).toEqual({ kind: 'firing', since: 31 })
  })

  test('BurnAlert waits while it is covered, and is told when it no longer is', () => {
    const alert = new BurnAlert(policy)
    expect([alert.next(true, true, 0), alert.next(true, true, 50)]).toEqual([undefined, undefined])
    expect(alert.next(true, false, 60)).toEqual({ kind: 'firing', since: 0 })
    expect(alert.next(true, true, 100)).toBe(undefined)
    expect(alert.next(true, true, 160)).toEqual({ kind: 'repeat', since: 0 })
    expect(new BurnAlert(policy, alert.toJSON()).next(false, false, 170)).toEqual({ kind: 'resolved', since: 0 })
  })
})
