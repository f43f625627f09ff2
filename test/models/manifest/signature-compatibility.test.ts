import { describe, expect, it } from 'vitest'
import type { ModelSignature, TensorSpec } from '../../../src/models/manifest/manifest.js'
import { signatureFaults } from '../../../src/models/manifest/signature-compatibility.js'

const x: TensorSpec = { name: 'x', dtype: 'float32', shape: [null, 4] }
const y: TensorSpec = { name: 'y', dtype: 'float32', shape: [null, 2] }
const signature = (input: Partial<TensorSpec> = {}, output: Partial<TensorSpec> = {}): ModelSignature => ({ inputs: [{ ...x, ...input }], outputs: [{ ...y, ...output }] })
const fields = (...names: string[]): Partial<TensorSpec> => ({ shape: [null, names.length], fields: names.map((name) => ({ name })) })
const carriers = (...categories: string[]): Partial<TensorSpec> => ({ shape: [null, 1], fields: [{ name: 'carrier', categories }] })

describe('signatureFaults', () => {
  it.each<[string, ModelSignature, ModelSignature]>([
    ['itself', signature(), signature()],
    ['another batch dimension', signature(), signature({ shape: [1, 4] }, { shape: [8, 2] })],
    ['an input that was fixed and is open', signature(), signature({ shape: [null, null] })],
    ['an output whose size nobody knows', signature(), signature({}, { shape: [null, null] })],
    ['an output that was open and is fixed', signature({}, { shape: [null, null] }), signature()],
    ['an output more', signature(), { inputs: [x], outputs: [{ ...y, name: 'z' }, y] }],
    ['the same fields', signature(fields('a', 'b')), signature(fields('a', 'b'))],
    ['fields where there were none', signature(), signature(fields('a', 'b', 'c', 'd'))],
    ['an input\'s labels in another order, and more of them', signature(carriers('AA', 'DL')), signature(carriers('AS', 'DL', 'AA'))],
    ['an output\'s labels, fewer', signature({}, { categories: ['late', 'on time'] }), signature({}, { categories: ['on time'] })],
  ])('%s is no fault', (_, wanted, offered) => {
    expect(signatureFaults(wanted, offered)).toEqual([])
  })

  it.each<[string, ModelSignature, ModelSignature, RegExp]>([
    ['an input of another name', signature(), signature({ name: 'input' }), /^input `x` must be there, but there are `input`\nthere must be no input `input`, which nobody gives$/],
    ['an output that is gone', signature(), { inputs: [x], outputs: [] }, /^output `y` must be there, but there are none$/],
    ['another type', signature(), signature({ dtype: 'int32' }, { dtype: 'float64' }), /^input `x` must be float32, but is int32\noutput `y` must be float32, but is float64$/],
    ['another size', signature(), signature({ shape: [null, 5] }), /^input `x` must have the shape \[any, 4\], but has \[any, 5\]$/],
    ['another rank', signature(), signature({ shape: [null, 4, 1] }, { shape: [null] }), /^input `x` must have .* \[any, 4, 1\]\noutput `y` must have .* \[any\]$/],
    ['an input that was open and is fixed', signature({ shape: [null, null] }), signature(), /^input `x` must have the shape \[any, any\], but has \[any, 4\]$/],
    ['an output of another size', signature(), signature({}, { shape: [null, 3] }), /^output `y` must have/],
    ['fields in another order', signature(fields('a', 'b')), signature(fields('b', 'a')), /^input `x` must have the fields a, b, but has b, a$/],
    ['no fields where there were some', signature(fields('a', 'b')), signature({ shape: [null, 2] }), /must have the fields a, b, but has none/],
    ['an input\'s label that is gone', signature(carriers('AA', 'DL')), signature(carriers('AA')), /^field `carrier` of input `x` must know the label "DL", but does not$/],
    ['an output\'s label that is new', signature({}, { categories: ['late'] }), signature({}, { categories: ['late', 'gone'] }), /^output `y` must not give the label "gone", but may$/],
    ['labels in place of numbers', signature(), signature({}, { categories: ['late'] }), /must have no categories/],
    ['numbers in place of labels', signature({ categories: ['a'] }, { categories: ['late'] }), signature(), /^input `x` must have categories, but has none\noutput `y` must have categories, but has none$/],
  ])('%s is a fault, and is named', (_, wanted, offered, message) => {
    expect(signatureFaults(wanted, offered).join('\n')).toMatch(message)
  })
})
