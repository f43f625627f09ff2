import fc from 'fast-check'

/** Weights of a control and this many variants, before and after, none of which is smaller after; the control's come first. */
export const growing = (variants: number): fc.Arbitrary<[number[], number[]]> =>
  fc.tuple(shares(variants), shares(variants)).map(([before, wishes]) => {
    const after = before.map((weight, index) => weight + ((wishes[index] as number) * (before[0] as number)))
    after[0] = 0
    after[0] = Math.max(0, 1 - after.reduce((sum, weight) => sum + weight, 0))
    return [before, after]
  })

/** Weights with sum 1 of a control and this many variants. */
export const shares = (variants: number): fc.Arbitrary<number[]> =>
  fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: variants + 1, maxLength: variants + 1 }).map((parts) => {
    parts[0] = (parts[0] as number) + 0.01
    const sum = parts.reduce((total, part) => total + part, 0)
    return parts.map((part) => part / sum)
  })
