import { describe, expect, it } from 'vitest'
import { nextMove, type RolloutEvidence } from '../../../src/route/rollout/next-move.js'
import { checkedPlan, type RolloutPlan } from '../../../src/route/rollout/plan.js'
import { afterEntry, noRollout, type RolloutEntry, type RolloutState } from '../../../src/route/rollout/state.js'
import { failureMetric, rateMetric } from '../../../src/experiment/index.js'

const minute = 60_000
const candidate = { name: 'delay', version: '2', digest: 'b'.repeat(64) }
const control = { name: 'delay', version: '1', digest: 'a'.repeat(64) }
const base: RolloutPlan = {
  shadow: { minMs: 10 * minute, minRows: 100 },
  steps: [{ weight: 0.01, minMs: 10 * minute, minUnits: 50 }, { weight: 0.5, minMs: 60 * minute, minUnits: 500 }],
  evidence: { metrics: [failureMetric(), rateMetric({ name: 'on time', better: 'higher' })] },
}
const nothing: RolloutEvidence = { decision: 'continue', reason: 'too few', isMismatch: false, stepUnits: 0, shadow: { compared: 0, agreed: 0, failed: 0 }, guards: [], burns: [], foreign: undefined }
const enough: RolloutEvidence = { ...nothing, stepUnits: 1e6, shadow: { compared: 1e6, agreed: 1e6, failed: 0 } }

const stateOf = (...entries: RolloutEntry[]): RolloutState => entries.reduce((state, entry) => afterEntry(state, JSON.stringify(entry)), noRollout)
const started: RolloutEntry = { kind: 'started', at: 0, by: 'ann', candidate, control, plan: 'p' }
const advanced = (to: number, at: number): RolloutEntry => ({ kind: 'advanced', at, by: 'rollout', to, reason: '' })
const inShadow = stateOf(started)
const first = stateOf(started, advanced(0, 10 * minute))
const last = stateOf(started, advanced(0, 10 * minute), advanced(1, 20 * minute))
const long = 1000 * minute

describe('nextMove', () => {
  it('waits for a start, and after the end', () => {
    expect(nextMove(checkedPlan(base), noRollout, enough, long)).toEqual({ move: 'wait', for: ['a start'] })
    const over = stateOf(started, { kind: 'promoted', at: 1, by: 'ann', reason: '', cause: 'person' })
    expect(nextMove(checkedPlan(base), over, { ...enough, decision: 'rollback' }, long)).toEqual({ move: 'wait', for: ['a start'] })
  })

  it('without data it neither passes nor fails, however long it takes', () => {
    const plan = checkedPlan(base)
    for (const state of [inShadow, first, last]) expect(nextMove(plan, state, nothing, 29 * 24 * 60 * minute)).toMatchObject({ move: 'wait' })
    expect(nextMove(plan, inShadow, nothing, minute)).toEqual({ move: 'wait', for: ['time: 60000 of 600000 ms', 'rows in the shadow: 0 of 100', expect.stringContaining('0 of 0 rows')] })
    expect(nextMove(plan, first, nothing, 11 * minute)).toEqual({ move: 'wait', for: ['time: 60000 of 600000 ms', 'units of the candidate: 0 of 50'] })
  })

  it('goes from step to step, and promotes by evidence in the last one only', () => {
    const plan = checkedPlan(base)
    expect(nextMove(plan, inShadow, enough, long)).toMatchObject({ move: 'advance', to: 0, reason: expect.stringContaining('1 %') as string })
    expect(nextMove(plan, first, { ...enough, decision: 'promote' }, long)).toMatchObject({ move: 'advance', to: 1 })
    expect(nextMove(plan, last, enough, long)).toEqual({ move: 'wait', for: ['evidence: too few'] })
    expect(nextMove(plan, last, { ...enough, decision: 'promote', reason: 'it passes' }, long)).toEqual({ move: 'promote', cause: 'evidence', reason: 'it passes' })
  })

  it('promotes unless worse where the plan says so', () => {
    const plan = checkedPlan({ ...base, promotion: 'unless-worse' })
    expect(nextMove(plan, last, enough, long)).toMatchObject({ move: 'promote', cause: 'time' })
    expect(nextMove(plan, last, { ...enough, decision: 'rollback', reason: 'worse' }, long)).toMatchObject({ move: 'roll-back', cause: 'evidence', quarantine: true })
  })

  it.each([
    ['evidence', { ...enough, decision: 'rollback', reason: 'worse' }, { cause: 'evidence', quarantine: true }],
    ['a guard that may', { ...enough, guards: [{ name: 'drift', status: 'bad', why: 'x', then: 'roll-back' }] }, { cause: 'guard', quarantine: true }],
    ['a budget that burns fast', { ...enough, burns: [{ rule: { name: 'fast', rate: 14.4, longMs: 1, shortMs: 1 }, isBurning: true, long: 20, short: 20, events: 100, bad: 50 }] }, { cause: 'objective', quarantine: false }],
  ] as const)('rolls back by %s at any time, also while it is held', (_, evidence, expected) => {
    const held = stateOf(started, advanced(0, 0), { kind: 'held', at: 1, by: 'bo', reason: 'lunch' })
    for (const state of [first, last, held]) expect(nextMove(checkedPlan(base), state, evidence as RolloutEvidence, 1)).toMatchObject({ move: 'roll-back', ...expected })
  })

  it.each([
    ['a guard that only waits', { guards: [{ name: 'drift', status: 'bad', why: 'x', then: 'wait' }] }, 'the guard drift, which is bad: x'],
    ['a guard that does not know', { guards: [{ name: 'drift', status: 'unknown', why: 'no rows', then: 'roll-back' }] }, 'the guard drift, which is unknown: no rows'],
    ['a budget that burns slowly', { burns: [{ rule: { name: 'creeping', rate: 1, longMs: 1, shortMs: 1 }, isBurning: true, long: 2, short: 2, events: 100, bad: 50 }] }, 'the error budget'],
    ['unfair shares', { isMismatch: true }, 'sample ratio mismatch'],
    ['another version', { foreign: 'the candidate is another version now' }, 'another version'],
  ] as const)('waits for %s', (_, more, why) => {
    const move = nextMove(checkedPlan(base), first, { ...enough, ...more } as RolloutEvidence, long)
    expect(move).toEqual({ move: 'wait', for: [expect.stringContaining(why)] })
  })

  it('a shadow is left by evidence: failures and differences within their limits, at any look', () => {
    const plan = checkedPlan({ ...base, shadow: { minRows: 100, maxDisagreement: 0.05 } })
    const waits = (compared: number, agreed: number, failed: number): unknown => {
      const move = nextMove(plan, inShadow, { ...enough, shadow: { compared, agreed, failed } }, long)
      return move.move === 'wait' ? move.for : move.move
    }
    // A hundred rows without a failure do not show that at most 1 % fail.
    expect(waits(100, 100, 0)).toEqual([expect.stringMatching(/^evidence that at most 1 % are failures in the shadow: 0 of 100 rows, at most \d/), expect.stringMatching(/^evidence that at most 5 % are differences/)])
    expect(waits(2000, 2000, 0)).toBe('advance')
    expect(waits(2000, 1960, 2)).toBe('advance')
    expect(waits(2000, 2000, 100)).toEqual(['a person: there are more failures in the shadow than the 1 % that are allowed: 100 of 2100 rows'])
    expect(waits(2000, 1700, 0)).toEqual(['a person: there are more differences in the shadow than the 5 % that are allowed: 300 of 2000 rows'])
    // By default a candidate may differ as it likes.
    expect(nextMove(checkedPlan(base), inShadow, { ...enough, shadow: { compared: 2000, agreed: 0, failed: 0 } }, long)).toMatchObject({ move: 'advance' })
  })

  it('waits while it is held, and for approval where the plan asks for it', () => {
    const held = stateOf(started, advanced(0, 0), { kind: 'held', at: 1, by: 'bo', reason: 'lunch' })
    expect(nextMove(checkedPlan(base), held, enough, long)).toEqual({ move: 'wait', for: ['bo to resume: lunch'] })
    const plan = checkedPlan({ ...base, approval: 'every-step' })
    expect(nextMove(plan, first, enough, long)).toEqual({ move: 'wait', for: ['approval'] })
    const approved = stateOf(started, advanced(0, 0), { kind: 'approved', at: 1, by: 'bo', reason: '' })
    expect(nextMove(plan, approved, enough, long)).toMatchObject({ move: 'advance', to: 1 })
    // Of a step that was approved; the next one is asked again.
    expect(nextMove(plan, stateOf(started, { kind: 'approved', at: 1, by: 'bo', reason: '' }, advanced(0, 2)), enough, long)).toEqual({ move: 'wait', for: ['approval'] })
    const promotion = checkedPlan({ ...base, approval: 'promotion', promotion: 'unless-worse' })
    expect([nextMove(promotion, first, enough, long).move, nextMove(promotion, last, enough, long).move]).toEqual(['advance', 'wait'])
  })

  it('at the deadline waits for a person, or rolls back without quarantine', () => {
    const late = 31 * 24 * 60 * minute
    expect(nextMove(checkedPlan(base), last, { ...enough, decision: 'promote' }, late)).toEqual({ move: 'wait', for: [expect.stringContaining('deadline')] })
    expect(nextMove(checkedPlan({ ...base, atDeadline: 'roll-back' }), last, enough, late)).toMatchObject({ move: 'roll-back', cause: 'deadline', quarantine: false })
  })

  it('a clock that went back only makes it wait', () => {
    expect(nextMove(checkedPlan(base), last, { ...enough, decision: 'promote' }, -long)).toEqual({ move: 'wait', for: ['time: 0 of 3600000 ms'] })
  })
})

describe('checkedPlan', () => {
  it.each([
    ['a step that goes on without data', { ...base, steps: [{ weight: 0.1, minUnits: 0 }] }],
    ['no step', { ...base, steps: [] }],
    ['a weight of 0', { ...base, steps: [{ weight: 0 }] }],
    ['a weight that falls', { ...base, steps: [{ weight: 0.5 }, { weight: 0.1 }] }],
    ['a weight above 1', { ...base, steps: [{ weight: 1.5 }] }],
    ['evidence without a control at the end', { ...base, steps: [{ weight: 1 }] }],
    ['promotion by evidence without a primary metric', { ...base, evidence: { metrics: [failureMetric()] } }],
    ['an option that is none', { ...base, step: [] }],
    ['a guard without a check', { ...base, guards: [{ name: 'x' }] }],
    ['another name of the evidence', { ...base, evidence: { ...base.evidence, name: 'x' } }],
    ['an unknown promotion', { ...base, promotion: 'soon' }],
  ])('refuses %s', (_, plan) => {
    expect(() => checkedPlan(plan as never)).toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }))
  })
})

describe('afterEntry', () => {
  const refused = expect.objectContaining({ code: 'ERR_OUTRIGGER_ROLLOUT', reason: 'journal' })
  it.each([
    ['no JSON', noRollout, '{'],
    ['no entry', noRollout, '{"kind":"started"}'],
    ['a start without versions', noRollout, JSON.stringify({ ...started, candidate: undefined })],
    ['an unknown kind', first, JSON.stringify({ kind: 'paused', at: 1, by: 'x' })],
    ['a step before the start', noRollout, JSON.stringify(advanced(0, 1))],
    ['a step that was left out', inShadow, JSON.stringify(advanced(1, 1))],
    ['a second start', first, JSON.stringify(started)],
    ['an end before the start', noRollout, JSON.stringify({ kind: 'promoted', at: 1, by: 'x', reason: '', cause: 'time' })],
    ['an end that was applied before', first, JSON.stringify({ kind: 'applied', at: 1, by: 'x' })],
    ['a hold after the end', stateOf(started, { kind: 'promoted', at: 1, by: 'x', reason: '', cause: 'time' }), JSON.stringify({ kind: 'held', at: 2, by: 'x', reason: '' })],
  ])('refuses %s', (_, state, text) => {
    expect(() => afterEntry(state, text)).toThrow(refused)
  })

  it('remembers quarantines over rollouts, and where each stands', () => {
    const state = stateOf(started, advanced(0, 1), { kind: 'rolled-back', at: 5, by: 'rollout', reason: 'r', cause: 'evidence', quarantine: true }, { kind: 'applied', at: 6, by: 'rollout' }, { ...started, at: 9, candidate: { ...candidate, digest: 'c' } })
    expect(state).toMatchObject({ position: 5, release: 2, stage: 'shadow', step: -1, startedAt: 9, quarantined: [candidate.digest], lastRollback: 5, end: undefined })
  })
})
