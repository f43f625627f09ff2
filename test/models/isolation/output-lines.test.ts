import { expect, test } from 'vitest'
import { OutputLines } from '../../../src/models/isolation/_output-lines.js'

test('output becomes lines, however it is cut', () => {
  const lines = new OutputLines()
  expect(lines.push('one\ntw', 0)).toEqual(['one'])
  expect(lines.push('o\n\n  \nthree', 0)).toEqual(['two'])
  expect(lines.end(0)).toEqual(['three'])
  expect(lines.end(0)).toEqual([])
})

test('a hundred lines a second come through, and how many did not is said', () => {
  const lines = new OutputLines()
  const flood = 'x\n'.repeat(250)
  expect(lines.push(flood, 0)).toHaveLength(100)
  expect(lines.push('after\n', 1000)).toEqual(['(150 lines were left out)', 'after'])
  lines.push(flood, 1500)
  expect(lines.end(1500).at(-1)).toBe('(151 lines were left out)')
})

test('a line without an end is cut where it becomes too long', () => {
  const lines = new OutputLines()
  const [line] = lines.push('y'.repeat(10_000), 0)
  expect(line).toHaveLength(4_097)
  expect(lines.push('z\n', 0)).toEqual(['z'])
})
