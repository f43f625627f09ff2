/** Near-equal inputs made equal, for their key. */
import { deepest } from '../core/copy.js'
import { numberOption } from '../core/options.js'
import { plainKind } from '../core/plain.js'

/** The step to which numbers are rounded: of all numbers of an input, or of some of its fields. */
export type Quantise = number | Readonly<Record<string, number>>

/** Checks the option, and gives what rounds an input. The model sees the input as it is. */
export const quantiser = (owner: string, quantise: Quantise): ((input: unknown) => unknown) => {
  const positive = { min: 0, exclusive: true } as const
  if (typeof quantise !== 'object' || quantise === null) {
    const step = numberOption(owner, 'quantise', quantise, positive)
    return (input) => rounded(input, step, [])
  }
  const steps = new Map(Object.entries(quantise).map(([field, step]) => [field, numberOption(owner, `quantise.${field}`, step, positive)]))
  return (input) => {
    if (typeof input !== 'object' || input === null || plainKind(input) !== 'Object') return input
    return Object.fromEntries(
      Object.entries(input).map(([field, value]) => {
        const step = steps.get(field)
        return [field, step === undefined ? value : rounded(value, step, [])]
      }),
    )
  }
}

/** Numbers become the count of steps that is nearest; everything else stays as it is. */
const rounded = (value: unknown, step: number, path: object[]): unknown => {
  if (typeof value === 'number') return overflows(value, step) ? String(value) : steps(value, step)
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return roundedView(value, step)
  // What contains itself, or is too deep, is refused where it is encoded.
  if (path.length > deepest || path.includes(value)) return value
  path.push(value)
  const inside = (item: unknown): unknown => rounded(item, step, path)
  let result: unknown = value
  switch (plainKind(value)) {
    case 'Object':
      result = Object.fromEntries(Object.entries(value).map(([name, item]) => [name, inside(item)]))
      break
    case 'Array':
      result = (value as unknown[]).map(inside)
      break
    case 'Map':
      result = new Map([...(value as Map<unknown, unknown>)].map(([key, item]) => [key, inside(item)]))
      break
    default:
      break
  }
  path.pop()
  return result
}

/** A number of steps that no number can hold: such a value is its own key, as text, which no count is. */
const overflows = (value: number, step: number): boolean => Number.isFinite(value) && !Number.isFinite(value / step)

/** -0 is 0 here; NaN and the infinities stay. */
const steps = (value: number, step: number): number => {
  const count = Math.round(value / step)
  return count === 0 ? 0 : count
}

/** Float32 and Float64 arrays; the elements of others are steps already. The kind stays part of the key. */
const roundedView = (view: ArrayBufferView, step: number): unknown => {
  const { name } = view.constructor
  if (name !== 'Float32Array' && name !== 'Float64Array' && name !== 'Float16Array') return view
  if ((view as Float64Array).some((value: number) => overflows(value, step))) return ['exact', view]
  const cells = Float64Array.from(view as Float64Array, (value) => steps(value, step))
  return [name, (view as { readonly shape?: unknown }).shape, cells]
}
