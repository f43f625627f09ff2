import { describe, expect, it } from 'vitest'
import { orderWarnings } from '../../src/core/order-warnings.js'
import type { AnyStage, StageTraits } from '../../src/core/stage.js'

const stage = (kind: string, traits: StageTraits, branches: Record<string, AnyStage> = {}): AnyStage =>
  ({ kind, traits, branches: Object.entries(branches).map(([label, branch]) => ({ label, stage: branch })) }) as unknown as AnyStage
const hiding = stage('fallback', { hidesFailures: true })
const retrying = stage('retry', { retries: true })
const insistent = stage('retry', { retries: true, mayRetryRejections: true })
const counting = stage('circuit-breaker', { countsFailures: true })
const plain = stage('timeout', {})

describe('orderWarnings', () => {
  it.each([
    ['a fallback inside of a retry', [hiding, plain, retrying], ['OUTRIGGER_ORDER_FALLBACK_INSIDE_RETRY']],
    ['a fallback inside of a breaker', [hiding, counting], ['OUTRIGGER_ORDER_FALLBACK_INSIDE_BREAKER']],
    ['two retries', [retrying, plain, retrying], ['OUTRIGGER_ORDER_TWO_RETRIES']],
    ['a retry that may retry an open circuit', [counting, insistent], ['OUTRIGGER_ORDER_RETRY_OUTSIDE_BREAKER']],
    ['several at once', [hiding, retrying, retrying], ['OUTRIGGER_ORDER_FALLBACK_INSIDE_RETRY', 'OUTRIGGER_ORDER_FALLBACK_INSIDE_RETRY', 'OUTRIGGER_ORDER_TWO_RETRIES']],
    ['a retry around a split of which a variant retries', [stage('split', {}, { control: plain, canary: stage('timeout', {}, { '': retrying }) }), retrying], ['OUTRIGGER_ORDER_TWO_RETRIES']],
    ['a retry around a fallback of which a rung retries', [stage('fallback', {}, { 'rung 1': retrying }), retrying], ['OUTRIGGER_ORDER_TWO_RETRIES']],
    ['a retry around a shadow whose candidate retries', [stage('shadow', {}, { candidate: retrying }), retrying], []],
    ['a fallback with a rung that retries around a retry', [retrying, stage('fallback', {}, { 'rung 1': retrying })], []],
    ['the right order', [plain, retrying, counting, hiding], []],
    ['a retry with the default filter outside of a breaker', [counting, retrying], []],
    ['a retry with its own filter inside of a breaker', [insistent, counting], []],
    ['nothing', [], []],
  ])('of %s', (_, stages, codes) => {
    const warnings = orderWarnings(stages)
    expect(warnings.map(({ code }) => code)).toEqual(codes)
    for (const { message } of warnings) expect(message).toMatch(/Put|Keep/)
  })
})
