import { expect, test } from 'vitest'
import { InvalidOptionError, OutriggerError } from '../../../src/core/errors.js'
import { decodeError, encodeError } from '../../../src/models/isolation/_error-codec.js'

const throughCloning = (error: unknown): unknown => decodeError(structuredClone(encodeError(error)))

test('an error of ours keeps its class, code, fields and cause', () => {
  const cause = new Error('the cause')
  const before = new OutriggerError('ERR_OUTRIGGER_INVALID_INPUT', 'Cannot', { cause, input: 'x', row: 3 })
  const after = throughCloning(before) as OutriggerError & { readonly input: string; readonly row: number }
  expect(after).toBeInstanceOf(OutriggerError)
  expect(after).toMatchObject({ name: 'InvalidInputError', code: 'ERR_OUTRIGGER_INVALID_INPUT', message: 'Cannot', input: 'x', row: 3 })
  expect(after.stack).toBe(before.stack)
  expect(after.cause).toMatchObject({ message: 'the cause' })
  expect(throughCloning(new InvalidOptionError('no'))).toBeInstanceOf(InvalidOptionError)
})

test('an error of others keeps its class where there is one, its name, code and what else can travel', () => {
  const before = Object.assign(new RangeError('far'), { code: 'ERR_FAR', at: new Float32Array([1]), call: () => {} })
  const after = throughCloning(before) as RangeError
  expect(after).toBeInstanceOf(RangeError)
  expect(after).toMatchObject({ message: 'far', code: 'ERR_FAR', at: new Float32Array([1]) })
  expect(after).not.toHaveProperty('call')
  class TensorError extends Error { override readonly name = 'TensorError' }
  expect(throughCloning(new TensorError('t'))).toMatchObject({ name: 'TensorError', message: 't' })
  const system = throughCloning(Object.assign(new Error('ENOENT'), { errno: -2, code: 'ENOENT', syscall: 'open' }))
  expect(system).toMatchObject({ code: 'ENOENT', errno: -2, syscall: 'open' })
})

test('causes end somewhere, also where they go in circles', () => {
  const circle = new Error('again')
  circle.cause = circle
  let depth = 0
  for (let error = throughCloning(circle) as Error | undefined; error !== undefined; error = error.cause as Error | undefined) depth += 1
  expect(depth).toBe(6)
})

test('what is no error, or throws when it is looked at, arrives all the same', () => {
  expect(throughCloning('a text')).toBe('a text')
  expect(throughCloning(undefined)).toBe(undefined)
  expect(throughCloning({ status: 3 })).toEqual({ status: 3 })
  expect(throughCloning(() => {})).toBe(undefined)
  const trap = new Error('trap')
  Object.defineProperty(trap, 'message', { get: () => { throw new Error('no') } })
  expect(throughCloning(trap)).toBeInstanceOf(Error)
})
