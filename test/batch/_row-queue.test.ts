import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Place, RowQueue, type WhenFull } from '../../src/batch/_row-queue.js'

class Row extends Place {
  readonly name: string

  constructor(name: string, { client, rank = 0, group = '' }: { readonly client?: string | undefined; readonly rank?: number; readonly group?: string } = {}) {
    super(group, client, rank)
    this.name = name
  }
}

const queueOf = (max = 100, whenFull: WhenFull = 'reject-lowest-priority'): { readonly queue: RowQueue<Row>; readonly evicted: string[] } => {
  const evicted: string[] = []
  return { queue: new RowQueue<Row>(max, whenFull, ({ name }) => evicted.push(name)), evicted }
}
const names = (rows: readonly Row[]): string => rows.map(({ name }) => name).join(' ')

describe('order', () => {
  test('RowQueue gives rows of nobody in particular in the order in which they came', () => {
    const { queue } = queueOf()
    for (const name of ['a', 'b', 'c', 'd']) queue.offer(new Row(name))
    expect([names(queue.take(3)), names(queue.take(3)), names(queue.take(3))]).toEqual(['a b c', 'd', ''])
  })

  test('RowQueue gives each client one row per round, so that a noisy one does not hold up the others', () => {
    const { queue } = queueOf()
    for (let row = 0; row < 10; row += 1) queue.offer(new Row(`n${row}`, { client: 'noisy' }))
    queue.offer(new Row('q0', { client: 'quiet' }))
    queue.offer(new Row('x0'))
    expect(names(queue.take(5))).toBe('n0 q0 x0 n1 n2')
    queue.offer(new Row('q1', { client: 'quiet' }))
    expect(names(queue.take(2))).toBe('n3 q1')
  })

  test('RowQueue gives higher ranks first, and fills the run with lower ones of the same group', () => {
    const { queue } = queueOf()
    for (const [name, rank, group] of [['a', 0, 'x'], ['b', 0, 'y'], ['c', 5, 'y'], ['d', -10, 'y'], ['e', 0, 'y']] as const) queue.offer(new Row(name, { rank, group }))
    expect(names(queue.take(10))).toBe('c b e d')
    expect(names(queue.take(10))).toBe('a')
  })

  test('RowQueue gives groups their turns, and never mixes them', () => {
    const { queue } = queueOf()
    for (const name of ['x1', 'x2', 'x3', 'y1', 'z1']) queue.offer(new Row(name, { group: name[0] as string }))
    expect([1, 2, 3, 4].map(() => names(queue.take(2)))).toEqual(['x1 x2', 'y1', 'z1', 'x3'])
  })

  test('RowQueue lets the first row leave of what a take has left', () => {
    const { queue } = queueOf()
    const rows = ['a', 'b', 'c', 'd'].map((name) => new Row(name))
    for (const row of rows) queue.offer(row)
    queue.take(2)
    queue.remove(rows[2] as Row)
    expect([names(queue.take(9)), queue.size]).toEqual(['d', 0])
  })

  test('RowQueue takes in a row of a group and of a client that it has just forgotten', () => {
    const { queue } = queueOf()
    for (let group = 0; group < 20; group += 1) queue.offer(new Row(`${group}`, { group: `g${group}` }))
    for (const client of [undefined, 'a']) {
      const gone = new Row('gone', { client, group: 'z' })
      queue.offer(gone)
      queue.remove(gone)
      queue.offer(new Row('z', { client, group: 'z' }))
    }
    const taken: string[] = []
    while (queue.size > 0 && taken.length < 30) taken.push(names(queue.take(5)))
    expect(taken).toEqual([...Array.from({ length: 20 }, (_, group) => `${group}`), 'z z'])
  })

  test('RowQueue puts back what was taken ahead of what waits', () => {
    const { queue } = queueOf()
    for (const name of ['a', 'b', 'c']) queue.offer(new Row(name))
    const taken = queue.take(2)
    queue.restore(taken)
    expect(names(queue.take(3))).toBe('a b c')
  })
})

describe('bounds', () => {
  test('RowQueue takes no more rows than its maximum, and none twice', () => {
    const { queue } = queueOf(2, 'reject-newest')
    expect(['a', 'b', 'c'].map((name) => queue.offer(new Row(name)))).toEqual([true, true, false])
    const [row] = queue.take(1) as [Row]
    expect([queue.remove(row), queue.size]).toEqual([false, 1])
  })

  test('RowQueue lets the newest row of the lowest rank go for one of a higher rank, and nobody for an equal', () => {
    const { queue, evicted } = queueOf(3)
    for (const [name, rank] of [['a', 1], ['b', 0], ['c', 0]] as const) queue.offer(new Row(name, { rank }))
    expect([queue.offer(new Row('d', { rank: 0 })), queue.offer(new Row('e', { rank: 1 })), queue.offer(new Row('f', { rank: 2 })), queue.offer(new Row('g', { rank: 1 }))]).toEqual([false, true, true, false])
    expect([evicted, names(queue.take(9))]).toEqual([['c', 'b'], 'f a e'])
  })

  test('RowQueue lets nobody go when the newest is to be rejected', () => {
    const { queue, evicted } = queueOf(1, 'reject-newest')
    queue.offer(new Row('a'))
    expect([queue.offer(new Row('b', { rank: 9 })), evicted]).toEqual([false, []])
  })

  test('RowQueue lets one client fill half of it, two thirds by two, and always keeps a place for another one', () => {
    const { queue } = queueOf(100)
    const fill = (client: string): number => {
      let count = 0
      while (queue.offer(new Row(`${client}${count}`, { client }))) count += 1
      return count
    }
    expect([fill('a'), fill('b'), fill('c')]).toEqual([50, 25, 13])
    expect(queue.offer(new Row('d', { client: 'd' }))).toBe(true)
  })

  test('RowQueue keeps nothing of clients, groups and ranks that have left', () => {
    const { queue } = queueOf(10_000)
    for (let round = 0; round < 50; round += 1) {
      const rows = Array.from({ length: 50 }, (_, index) => new Row('', { client: `c${round} ${index}`, rank: round * 50 + index, group: `g${round} ${index}` }))
      for (const row of rows) queue.offer(row)
      for (const row of rows.slice(25)) queue.remove(row)
      while (queue.size > 0) queue.take(3)
    }
    // What is left is a few emptied lanes and groups, not one for each of the 2500 rows.
    expect(queue.kept).toBeLessThan(150)
  })
})

describe('any history', () => {
  // Now and then of more ranks and groups than the queue keeps when they are empty.
  const rowArb = fc.record({
    client: fc.constantFrom(undefined, undefined, 'a', 'b', 'c'),
    rank: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(-10, 0, 0, 5) }, { weight: 1, arbitrary: fc.integer({ min: -20, max: 20 }) }),
    group: fc.oneof({ weight: 4, arbitrary: fc.constantFrom('x', 'x', 'y') }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 20 }).map(String) }),
  })
  const stepArb = fc.oneof(
    { weight: 5, arbitrary: rowArb.map((row) => ({ type: 'offer' as const, row })) },
    { weight: 1, arbitrary: fc.nat(20).map((which) => ({ type: 'remove' as const, which })) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 6 }).map((limit) => ({ type: 'take' as const, limit })) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 6 }).map((limit) => ({ type: 'restore' as const, limit })) },
  )

  test('RowQueue loses and doubles no row, keeps each client in order, and never mixes groups', () => {
    fc.assert(
      fc.property(fc.array(stepArb, { maxLength: 80 }), fc.integer({ min: 1, max: 20 }), fc.constantFrom<WhenFull>('reject-newest', 'reject-lowest-priority'), (steps, max, whenFull) => {
        // The naive queue: all rows that wait, in the order in which they came.
        let waiting: Row[] = []
        const leave = (row: Row): void => {
          expect(waiting).toContain(row)
          waiting = waiting.filter((other) => other !== row)
        }
        const queue = new RowQueue<Row>(max, whenFull, leave)
        let count = 0
        const check = (rows: readonly Row[], limit: number): void => {
          const highest = Math.max(...waiting.map(({ rank }) => rank))
          const [first] = rows
          if (first === undefined) return expect(waiting).toEqual([])
          expect(first.rank).toBe(highest)
          const group = waiting.filter((row) => row.group === first.group)
          expect(rows.length).toBe(Math.min(limit, group.length))
          for (const [index, row] of rows.entries()) {
            expect(row.group).toBe(first.group)
            // None of a higher rank is left, and none of the same client that came before.
            const before = waiting.filter((other) => !rows.slice(0, index).includes(other))
            expect(group.filter((other) => other.rank > row.rank && before.includes(other))).toEqual([])
            expect(before.find((other) => other.client === row.client && other.rank === row.rank && other.group === row.group)).toBe(row)
          }
        }
        for (const step of steps) {
          if (step.type === 'offer') {
            const row = new Row(`${(count += 1)}`, step.row)
            if (queue.offer(row)) waiting.push(row)
          } else if (step.type === 'remove') {
            const row = waiting[step.which % Math.max(1, waiting.length)]
            if (row !== undefined) {
              expect(queue.remove(row)).toBe(true)
              leave(row)
            }
          } else {
            const rows = queue.take(step.limit)
            check(rows, step.limit)
            if (step.type === 'restore') queue.restore(rows)
            else for (const row of rows) leave(row)
          }
          expect(queue.size).toBe(waiting.length)
          expect(queue.size).toBeLessThanOrEqual(max)
          expect(new Set(queue)).toEqual(new Set(waiting))
        }
      }),
      { numRuns: 400 },
    )
  })
})
