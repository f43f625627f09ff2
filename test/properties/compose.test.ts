/** `ensemble` and `cascade` for any members, weights and failures. */
import fc from 'fast-check'
import { RowFailure } from 'outrigger'
import { cascade, ensemble } from 'outrigger/compose'
import { describe, expect, it } from 'vitest'

const seed = 31
const number = fc.double({ min: -1e6, max: 1e6, noNaN: true })
/** By member, by row: an answer, or none. */
const answers = fc.integer({ min: 1, max: 5 }).chain((members) => fc.array(fc.array(fc.option(number, { freq: 3 }), { minLength: members, maxLength: members }), { minLength: 1, maxLength: 6 }))

const memberOf = (rows: readonly (readonly (number | null)[])[], member: number, batches: boolean) => {
  const answer = (row: number): number | RowFailure => rows[row]![member] ?? new RowFailure(new Error(`no ${row}`))
  const predict = (row: number): number => {
    const given = answer(row)
    if (given instanceof RowFailure) throw given.error
    return given
  }
  return batches ? { predict, predictBatch: (inputs: readonly number[]) => inputs.map(answer) as number[] } : predict
}

describe('ensemble', () => {
  it('averages what answered by weight, fails a row alone that has too few answers, and a batch equals single calls', async () => {
    await fc.assert(
      fc.asyncProperty(answers, fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 5, maxLength: 5 }), fc.nat(), fc.boolean(), async (rows, given, pick, batches) => {
        const size = rows[0]!.length
        const minimum = 1 + (pick % size)
        const names = Array.from({ length: size }, (_, index) => `m${index}`)
        const weights = Object.fromEntries(names.map((name, index) => [name, given[index]!]))
        const predict = ensemble(Object.fromEntries(names.map((name, index) => [name, memberOf(rows, index, batches)])), { minimum, weights })
        const expected = rows.map((row) => {
          const there = row.flatMap((value, index) => (value === null ? [] : [{ value, weight: given[index]! }]))
          if (there.length < minimum) return 'ERR_OUTRIGGER_TOO_FEW_ANSWERS'
          return there.reduce((sum, { value, weight }) => sum + value * weight, 0) / there.reduce((sum, { weight }) => sum + weight, 0)
        })
        const inputs = rows.map((_, index) => index)
        const batch = (await predict.detailedBatch(inputs)).map((row) => (row.ok ? row.output : (row.error as { code: string }).code))
        const singles = await Promise.all(inputs.map((input) => predict(input).catch((error: { code: string }) => error.code)))
        expect(batch).toEqual(singles)
        batch.forEach((output, index) => {
          const wanted = expected[index]!
          if (typeof wanted === 'string') expect(output).toBe(wanted)
          else expect(output).toBeCloseTo(wanted, 6)
        })
      }),
      { seed, numRuns: 300 },
    )
  })

  it('votes for a label that nobody outweighs, and in a tie for the one that came first', async () => {
    const vote = fc.record({ label: fc.constantFrom('a', 'b', 'c'), weight: fc.integer({ min: 1, max: 4 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(vote, { minLength: 1, maxLength: 7 }), async (votes) => {
        const members = Object.fromEntries(votes.map(({ label }, index) => [`m${index}`, () => label]))
        const winner = await ensemble(members, { combine: 'vote', weights: Object.fromEntries(votes.map(({ weight }, index) => [`m${index}`, weight])) })(0)
        const sumOf = (label: string): number => votes.filter((one) => one.label === label).reduce((sum, { weight }) => sum + weight, 0)
        const most = Math.max(...votes.map(({ label }) => sumOf(label)))
        expect(winner).toBe(votes.find(({ label }) => sumOf(label) === most)!.label)
      }),
      { seed, numRuns: 300 },
    )
  })
})

describe('cascade', () => {
  it('gives the answer of the model that the rule names, and a batch equals single calls', async () => {
    const outcome = fc.record({ cheap: fc.option(number, { freq: 4 }), large: fc.option(number, { freq: 4 }), unsure: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(outcome, { minLength: 1, maxLength: 8 }), fc.constantFrom('large' as const, 'throw' as const), fc.constantFrom('cheap' as const, 'throw' as const), fc.boolean(), fc.boolean(), async (rows, onCheapFailure, onLargeFailure, cheapBatches, largeBatches) => {
        const table = rows.map(({ cheap, large }) => [cheap, large])
        const predict = cascade(memberOf(table, 0, cheapBatches), memberOf(table, 1, largeBatches), { isUnsure: (_, row) => rows[row]!.unsure, onCheapFailure, onLargeFailure })
        const expected = rows.map(({ cheap, large, unsure }, index) => {
          if (cheap === null) return onCheapFailure === 'throw' ? `no ${index}` : (large ?? `no ${index}`)
          return unsure ? (large ?? (onLargeFailure === 'cheap' ? cheap : `no ${index}`)) : cheap
        })
        const inputs = rows.map((_, index) => index)
        const batch = await predict.detailedBatch(inputs)
        expect(batch.map((row) => (row.ok ? row.output : (row.error as Error).message))).toEqual(expected)
        expect(await Promise.all(inputs.map((input) => predict(input).catch((error: Error) => error.message)))).toEqual(expected)
        batch.forEach((row, index) => {
          if (!row.ok) return
          const isLarge = row.record.rung!.index === 1
          expect(row.output).toBe(table[index]![isLarge ? 1 : 0])
          expect(row.record.source).toBe(!isLarge && rows[index]!.unsure ? 'fallback' : 'model')
        })
      }),
      { seed, numRuns: 300 },
    )
  })
})
