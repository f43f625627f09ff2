/** What is wrong with an output, by place: numbers that are none, and differences from a golden output. Pure. */

/** A place in an output, and what is there. `path` is as one would write it behind the output's name: `.late`, `[3].score`. */
export interface Finding {
  readonly path: string
  readonly actual: unknown
}

/** Something else is there than was expected. */
export interface Difference extends Finding {
  readonly expected: unknown
  /** Whether both are numbers, so that a tolerance decided. */
  readonly isNumeric: boolean
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !isList(value)

/** A value in a message. */
export const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value)
  if (isList(value)) return `an array of ${value.length}`
  return isFields(value) ? 'an object' : String(value)
}

/** The first NaN or infinity in an output. */
export const nonFinite = (value: unknown, path = ''): Finding | undefined => {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : { path, actual: value }
  if (isList(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const found = nonFinite(value[index], `${path}[${index}]`)
      if (found !== undefined) return found
    }
  } else if (isFields(value)) {
    for (const [key, item] of Object.entries(value)) {
      const found = nonFinite(item, `${path}.${key}`)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** The first difference from what was expected. Numbers agree if `|actual - expected| <= tolerance * max(1, |expected|)`. */
export const difference = (expected: unknown, actual: unknown, tolerance: number, path = ''): Difference | undefined => {
  const differs = { path, expected, actual, isNumeric: false }
  if (typeof expected === 'number' && typeof actual === 'number') {
    return Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)) ? undefined : { ...differs, isNumeric: true }
  }
  if (isList(expected)) {
    if (!isList(actual) || actual.length !== expected.length) return differs
    for (let index = 0; index < expected.length; index += 1) {
      const found = difference(expected[index], actual[index], tolerance, `${path}[${index}]`)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (isFields(expected)) {
    if (!isFields(actual)) return differs
    // As in JSON, where the golden output comes from, a field that is undefined is not there.
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual).filter((key) => actual[key] !== undefined)])
    for (const key of keys) {
      const found = difference(expected[key], actual[key], tolerance, `${path}.${key}`)
      if (found !== undefined) return found
    }
    return undefined
  }
  return Object.is(expected, actual) ? undefined : differs
}
