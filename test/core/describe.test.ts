import { describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, pipe, predictor, timeout } from 'outrigger'
import { split } from 'outrigger/route'

describe('Predictor.describe', () => {
  it('is the stack as a tree, outermost first, with branches by name', () => {
    const small = predictor((x: number) => x, { name: 'small' })
    const predict = pipe(predictor({ predictBatch: (rows: readonly number[]) => [...rows] }, { name: 'delay', version: '3', digest: 'abcdef0123456789' }), timeout({ ms: 200 }), circuitBreaker(), fallback(pipe(small, timeout({ ms: 5 })), (x) => -x))
    expect(predict.describe()).toBe([
      'fallback',
      '├─ rung 1: timeout 5 ms',
      '│  └─ small (row by row)',
      '├─ rung 2: model (row by row)',
      '└─ circuit-breaker closed, opens at 50 % of 100 calls',
      '   └─ timeout 200 ms',
      '      └─ delay@3 (abcdef012345) (batches)',
    ].join('\n'))
  })

  it('names the arms of a split', () => {
    const arms = split({ variants: { control: predictor((x: number) => x, { name: 'old' }), canary: predictor((x: number) => x, { name: 'new' }) }, weights: { control: 0.9, canary: 0.1 } })
    expect(arms.describe()).toBe('split split: control 90 %, canary 10 %\n├─ control: old (row by row)\n└─ canary: new (row by row)')
  })
})
