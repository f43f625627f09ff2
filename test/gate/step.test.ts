import { expect, test } from 'vitest'
import { countOf, runSteps, selectSteps, type Ended, type Step } from './step.js'

const step = (name: string, result: Partial<Awaited<ReturnType<Step['run']>>> = { passed: 1 }, needs: string[] = []): Step => ({
  name,
  needs,
  run: async () => ({ passed: 0, failed: 0, ...result }),
})
const none = (): void => undefined

test('runSteps runs no step whose need failed, and counts it as failed', async () => {
  const ended = await runSteps([step('pack', { passed: 1 }, ['build']), step('size', { passed: 1 }, ['pack']), step('build', { failed: 1 }), step('types')], 2, none)
  expect(Object.fromEntries(ended.map((end) => [end.name, end.failed]))).toEqual({ build: 1, pack: 1, size: 1, types: 0 })
})

test('runSteps runs two at a time and no more', async () => {
  let now = 0
  let most = 0
  const busy = (name: string): Step => ({
    name,
    run: async () => {
      now += 1
      most = Math.max(most, now)
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
      now -= 1
      return { passed: 1, failed: 0 }
    },
  })
  await runSteps(['a', 'b', 'c', 'd'].map(busy), 2, none)
  expect(most).toBe(2)
})

test('runSteps runs a step that must be alone while nothing else runs', async () => {
  const active = new Set<string>()
  const company: string[] = []
  const busy = (name: string, alone: boolean): Step => ({
    name,
    alone,
    run: async () => {
      active.add(name)
      for (let turn = 0; turn < 10; turn += 1) {
        if (active.has('alone') && active.size > 1) company.push([...active].join())
        await Promise.resolve()
      }
      active.delete(name)
      return { passed: 1, failed: 0 }
    },
  })
  const ended = await runSteps([busy('a', false), busy('alone', true), busy('b', false), busy('c', false)], 2, none)
  expect([ended.length, company]).toEqual([4, []])
})

test('runSteps counts a step that throws, and one that checked nothing, as failed', async () => {
  const thrower: Step = { name: 'thrower', run: async () => Promise.reject(new Error('no tsc')) }
  const ended = await runSteps([thrower, step('empty', {})], 2, none)
  expect(ended.map((end) => end.failed)).toEqual([1, 1])
  expect(ended.find((end) => end.name === 'thrower')?.output).toContain('no tsc')
})

test('selectSteps takes what a step needs along, in order', () => {
  const steps = [step('build'), step('pack', {}, ['build']), step('types'), step('size', {}, ['pack'])]
  expect(selectSteps(steps, ['size']).map(({ name }) => name)).toEqual(['build', 'pack', 'size'])
  expect(() => selectSteps(steps, ['sise'])).toThrow('Cannot run step sise')
})

test('countOf counts what was skipped as failed in CI only', () => {
  const ended: Ended[] = [{ name: 'unit', ms: 1, passed: 5, failed: 0, skipped: ['redis: no redis-server on PATH'] }]
  expect(countOf(ended, false)).toEqual({ passed: 5, failed: 0, skipped: 1 })
  expect(countOf(ended, true)).toEqual({ passed: 5, failed: 1, skipped: 0 })
})
