import fc from 'fast-check'
import { PriorityQueue } from 'outrigger/policy'
import { describe, expect, test } from 'vitest'

interface Guest {
  readonly name: number
  readonly priority: number
  place: number
}
const guest = (name: number, priority = 0): Guest => ({ name, priority, place: 0 })
const empty = (line: PriorityQueue<Guest>): number[] => {
  const names: number[] = []
  for (let first = line.shift(); first !== undefined; first = line.shift()) names.push(first.name)
  return names
}

describe('PriorityQueue', () => {
  test('PriorityQueue lets the higher priority go first, and within a priority who came first', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 40 }), (priorities) => {
        const line = new PriorityQueue<Guest>(40)
        const guests = priorities.map((priority, name) => guest(name, priority))
        for (const one of guests) expect(line.add(one, one.priority)).toBeUndefined()
        expect(empty(line)).toEqual([...guests].sort((a, b) => b.priority - a.priority || a.name - b.name).map(({ name }) => name))
      }),
    )
  })

  test('PriorityQueue is never longer than its length, and gives up the one who ranks last', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.array(fc.integer({ min: -2, max: 2 }), { maxLength: 30 }), (length, priorities) => {
        const line = new PriorityQueue<Guest>(length)
        let inside: Guest[] = []
        for (const [name, priority] of priorities.entries()) {
          const admitted = line.admits(priority)
          const newcomer = guest(name, priority)
          const out = line.add(newcomer, priority)
          inside.push(newcomer)
          inside.sort((a, b) => a.place - b.place || a.name - b.name)
          expect(out).toBe(inside.length > length ? inside.at(-1) : undefined)
          expect(out !== newcomer).toBe(admitted)
          inside = inside.filter((one) => one !== out)
          expect(line.size).toBe(inside.length)
        }
        expect(empty(line)).toEqual(inside.map(({ name }) => name))
      }),
    )
  })

  test('PriorityQueue lets nobody starve: a low one is overtaken by a bounded number of higher ones', () => {
    const line = new PriorityQueue<Guest>(4)
    line.add(guest(-1, 0), 0)
    let overtaken = 0
    for (let name = 0; name < 1000; name += 1) {
      expect(line.add(guest(name, 1), 1)).toBeUndefined()
      if (line.shift()?.name === -1) break
      overtaken += 1
    }
    expect(overtaken).toBe(8 * 5 - 1)
  })

  test('PriorityQueue lets go who leaves, and nobody else', () => {
    const line = new PriorityQueue<Guest>(10)
    const guests = [0, 1, 2, 3].map((name) => guest(name))
    for (const one of guests) line.add(one, 0)
    expect([line.remove(guests[2] as Guest), line.remove(guests[2] as Guest), empty(line)]).toEqual([true, false, [0, 1, 3]])
  })

  test.each([NaN, Infinity, -Infinity, undefined])('PriorityQueue keeps its order when a priority is %s', (priority) => {
    const line = new PriorityQueue<Guest>(10)
    for (const [name, rank] of [0, priority as number, 0].entries()) line.add(guest(name), rank)
    expect(empty(line)).toEqual(priority === Infinity ? [1, 0, 2] : priority === -Infinity ? [0, 2, 1] : [0, 1, 2])
  })
})
