/** What is wrong with an output, by place: numbers that are none, and differences from a golden output. Pure. */

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !isList(value)

const show = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value)
  if (isList(value)) return `an array of ${value.length}`
  return isFields(value) ? 'an object' : String(value)
}

/** The first NaN or infinity in an output, as `place is NaN`. */
export const nonFinite = (value: unknown, place: string): string | undefined => {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${place} is ${value}`
  if (isList(value)) {
    for (let index = 0; index < value.length; index += 1) {
      const found = nonFinite(value[index], `${place}[${index}]`)
      if (found !== undefined) return found
    }
  } else if (isFields(value)) {
    for (const [key, item] of Object.entries(value)) {
      const found = nonFinite(item, `${place}.${key}`)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** The first difference from what was expected. Numbers agree if `|actual - expected| <= tolerance * max(1, |expected|)`. */
export const difference = (expected: unknown, actual: unknown, tolerance: number, place: string): string | undefined => {
  const differs = `${place} is ${show(actual)} instead of ${show(expected)}`
  if (typeof expected === 'number' && typeof actual === 'number') {
    return Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)) ? undefined : `${differs} (tolerance ${tolerance})`
  }
  if (isList(expected)) {
    if (!isList(actual) || actual.length !== expected.length) return differs
    for (let index = 0; index < expected.length; index += 1) {
      const found = difference(expected[index], actual[index], tolerance, `${place}[${index}]`)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (isFields(expected)) {
    if (!isFields(actual)) return differs
    // As in JSON, where the golden output comes from, a field that is undefined is not there.
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual).filter((key) => actual[key] !== undefined)])
    for (const key of keys) {
      const found = difference(expected[key], actual[key], tolerance, `${place}.${key}`)
      if (found !== undefined) return found
    }
    return undefined
  }
  return Object.is(expected, actual) ? undefined : differs
}
