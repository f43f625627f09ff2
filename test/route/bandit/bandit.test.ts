import { describe, expect, test } from 'vitest'
import { predictor, seededRandom } from 'outrigger'
import { labelJoin } from 'outrigger/core'
import { assigner, bandit, epsilonGreedy, split, thompson, type BanditPolicy } from 'outrigger/route'
import { fakeClock } from 'outrigger/testing'

const invalid = expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
const halves = () => assigner({ name: 'x', weights: { a: 0.5, b: 0.5 }, clock: fakeClock() })
const fixed = (...shares: number[]): BanditPolicy => ({ name: 'fixed', accepts: Number.isFinite, shares: () => shares })

describe('bandit', () => {
  test('bandit keeps the floor of each arm, and its weights are w = f + (1 − K f) share, in the choice as its propensity', () => {
    const one = assigner({ name: 'x', weights: { a: 0.25, b: 0.25, c: 0.5 } })
    const learner = bandit({ split: one, policy: fixed(1, 0, 0), floor: 0.05, minimum: 0 })
    const weights = learner.update()
    expect(weights).toBe(one.weights)
    expect(Object.values(weights).map((weight) => Number(weight.toFixed(12)))).toEqual([0.9, 0.05, 0.05])
    const choices = Array.from({ length: 200 }, (_, unit) => one.choose(String(unit)))
    for (const { variant, propensity, epoch } of choices) expect([propensity, epoch]).toEqual([one.weights[variant as 'a'], 2])
    expect(new Set(choices.map(({ variant }) => variant)).size).toBe(3)
  })

  test('bandit updates after every so many rewards, once each arm has the minimum, and opens an epoch', () => {
    const one = halves()
    const learner = bandit({ split: one, policy: thompson(), every: 10, minimum: 8 })
    for (let reward = 0; reward < 30; reward += 1) learner.reward('a', 0)
    expect(learner.update()).toEqual({ a: 0.5, b: 0.5 })
    expect([one.epoch.number, learner.counts]).toEqual([1, { rewards: 30, ignored: 0, refused: 0, updates: 0 }])
    for (let reward = 0; reward < 8; reward += 1) learner.reward('b', 1)
    expect([one.epoch.number, learner.counts.updates]).toEqual([2, 1])
    expect(one.weights.b).toBeCloseTo(0.99, 3)
    for (let reward = 0; reward < 9; reward += 1) learner.reward('b', 1)
    expect(one.epoch.number).toBe(2)
    learner.reward('b', 1)
    expect(one.epoch.number).toBe(3)
    const perEvent = bandit({ split: halves(), policy: epsilonGreedy(), every: 1, minimum: 1 })
    for (const [variant, value] of [['a', 1], ['b', 0], ['b', 9], ['a', 0]] as const) perEvent.reward(variant, value)
    expect(perEvent.counts.updates).toBe(3)
  })

  test('bandit refuses rewards that its policy cannot learn from, and arms that are none', () => {
    const learner = bandit({ split: halves(), policy: thompson() })
    for (const value of [1.5, -1, Number.NaN, '1' as never]) learner.reward('a', value)
    expect([learner.counts.refused, learner.arms.a.count]).toEqual([4, 0])
    expect(() => learner.reward('c' as 'a', 1)).toThrow(invalid)
  })

  test('bandit learns from labels that come late, for the arm that the prediction was given, and counts what says nothing', async () => {
    const clock = fakeClock()
    const router = split({
      name: 'rank',
      variants: { a: predictor((_: number) => 'a', { clock }), b: (_: number) => 'b' },
      weights: { a: 0.5, b: 0.5 },
      exposure: 0.9,
      forced: { b: ['qa'] },
    })
    const labels = labelJoin<boolean | string>({ ttlMs: 1000 })
    router.observe(labels.observer)
    const learner = bandit({
      split: router,
      policy: thompson(),
      labels,
      minimum: 5,
      every: Infinity,
      reward: ({ value }) => {
        if (value === 'broken') throw new Error('no reward')
        return typeof value === 'boolean' ? Number(value) : undefined
      },
    })
    const keys = Array.from({ length: 60 }, (_, unit) => `u${unit}`)
    const first = await router.detailedBatch(keys.map(() => 1), { keys, ids: keys })
    await router(1, { key: 'qa', id: 'qa' })
    const inside = first.filter(({ record }) => record.variants[0]!.reason === 'assigned')
    expect(inside.length).toBeLessThan(60)
    router.setWeights({ a: 0.1, b: 0.9 })
    await clock.advance(500)
    for (const row of first) labels.label(row.record.id, row.ok && row.output === 'b', clock.wall())
    labels.label('qa', true, clock.wall())
    labels.label('u1', true, clock.wall())
    expect(learner.counts).toEqual({ rewards: inside.length, ignored: 61 - inside.length, refused: 0, updates: 0 })
    expect([learner.arms.a.mean, learner.arms.b.mean]).toEqual([0, 1])
    expect(learner.arms.b.count).toBe(inside.filter(({ record }) => record.variants[0]!.variant === 'b').length)
    learner.update()
    expect(router.weights.b).toBeGreaterThan(0.98)
    for (const [id, value] of [['late', true], ['odd', 'nothing'], ['bad', 'broken']] as const) {
      await router(1, { key: inside[0]!.record.id, id })
      if (id === 'late') await clock.advance(1001)
      const warned = new Promise((resolve) => process.once('warning', resolve))
      labels.label(id, value, clock.wall())
      if (id === 'bad') await warned
    }
    expect([learner.counts.ignored, learner.counts.refused, labels.counts.expired]).toEqual([62 - inside.length, 1, 1])
    learner.close()
    await router(1, { key: inside[0]!.record.id, id: 'after' })
    labels.label('after', true, clock.wall())
    expect(learner.counts.rewards).toBe(inside.length)
  })

  test('bandit goes on after a restart: what it knew, its weights and its epoch', () => {
    const one = halves()
    const learner = bandit({ split: one, policy: thompson(), every: 100, minimum: 10 })
    const random = seededRandom(3)
    const feed = (to: { reward(variant: 'a' | 'b', value: number): void }, rewards: number): void => {
      for (let reward = 0; reward < rewards; reward += 1) to.reward(random.next() < 0.5 ? 'a' : 'b', random.next() < 0.4 ? 1 : 0)
    }
    feed(learner, 250)
    const state = JSON.parse(JSON.stringify(learner.state())) as ReturnType<typeof learner.state>
    const again = halves()
    const restarted = bandit({ split: again, policy: thompson(), every: 100, minimum: 10, state })
    expect([again.weights, again.epoch.number, restarted.state()]).toEqual([one.weights, one.epoch.number, state])
    for (const learning of [learner, restarted]) for (let reward = 0; reward < 60; reward += 1) learning.reward(reward % 2 === 0 ? 'a' : 'b', reward % 3 === 0 ? 1 : 0)
    expect([again.weights, again.epoch.number, restarted.arms]).toEqual([one.weights, one.epoch.number, learner.arms])
    expect(one.epoch.number).toBe(4)
    // A split that was told the epoch, but not the weights: no epoch has two of them.
    const told = assigner({ name: 'x', weights: { a: 0.5, b: 0.5 }, epoch: state.epoch })
    bandit({ split: told, policy: thompson(), state })
    expect([told.weights, told.epoch.number]).toEqual([state.weights, state.epoch + 1])
    const later = assigner({ name: 'x', weights: { a: 0.5, b: 0.5 }, epoch: state.epoch + 1 })
    bandit({ split: later, policy: thompson(), state })
    expect(later.weights).toEqual({ a: 0.5, b: 0.5 })
    for (const wrong of [{ ...state, split: 'y' }, { ...state, policy: 'epsilon-greedy' }, { ...state, arms: { a: state.arms['a'] } }, { ...state, v: 2 }, null, {}, { ...state, pending: Number.NaN }, { ...state, epoch: '4' }, { ...state, arms: { ...state.arms, a: {} } }, { ...state, arms: { a: state.arms['a'], c: state.arms['b'] } }]) {
      expect(() => bandit({ split: halves(), policy: thompson(), state: wrong as never })).toThrow(invalid)
    }
  })

  test.each([
    ['a floor below 1 %', { floor: 0.001 }],
    ['a floor that leaves nothing', { floor: 0.6 }],
    ['no policy', { policy: undefined }],
    ['no split', { split: undefined }],
    ['labels that are no join', { labels: [] }],
    ['a batch of 0', { every: 0 }],
    ['an option that is none', { draws: 1 }],
  ])('bandit refuses %s', (_, options) => {
    expect(() => bandit({ split: halves(), policy: thompson(), ...options } as never)).toThrow(invalid)
  })

  test('bandit says its weights and why as a text for a ticket', () => {
    const learner = bandit({ split: halves(), policy: epsilonGreedy(), every: 10, minimum: 4 })
    for (let reward = 0; reward < 10; reward += 1) learner.reward(reward % 2 === 0 ? 'a' : 'b', reward % 4 === 1 ? 1 : 0)
    learner.reward('a', Number.NaN)
    expect(learner.text()).toBe('x by epsilon-greedy, epoch 2: rewards 10, ignored 0, refused 1, updates 1\n- a: 5.9 %, mean 0 of 5 rewards\n- b: 94.1 %, mean 0.6 of 5 rewards')
  })

  test('bandit sets weights that sum to 1, though shares do up to rounding only', () => {
    const weights = bandit({ split: halves(), policy: fixed(0.5000004, 0.5000004), minimum: 0 }).update()
    expect(weights.a + weights.b).toBe(1)
  })

  test.each([[[0.5]], [[0.5, 0.4]], [[1.5, -0.5]], [[Number.NaN, 1]]])('bandit refuses shares %j of a policy, and keeps its weights', (shares) => {
    const one = halves()
    expect(() => bandit({ split: one, policy: fixed(...shares), minimum: 0 }).update()).toThrow(/shares of a policy/)
    expect(one.epoch.number).toBe(1)
  })
})
