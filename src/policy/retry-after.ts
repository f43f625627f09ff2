/** What an error says about when to ask again. Pure. */

type Bag = Readonly<Record<string, unknown>>

/** The value of a header, of a `Headers` or of an object with names in lower case. */
const header = (headers: unknown): unknown => {
  const bag = headers as (Bag & Partial<Headers>) | null | undefined
  return typeof bag?.get === 'function' ? bag.get('retry-after') : bag?.['retry-after']
}

/**
 * How long an error asks to wait, in milliseconds, or `undefined` when it does not say.
 *
 * Looks at `retryAfterMs` (milliseconds; the errors of outrigger have it), then at `retryAfter` and the header
 * `retry-after` (seconds, or a date of HTTP; RFC 9110, section 10.2.3) of the error itself, of its `headers` and of its
 * `response`.
 *
 * @param wall - the wall-clock time in milliseconds since 1970; read only for a date
 * @example
 * ```ts
 * import { retryAfterOf } from 'outrigger/policy'
 * assert.equal(retryAfterOf({ response: { headers: new Headers({ 'retry-after': '2' }) } }, () => 0), 2000)
 * assert.equal(retryAfterOf({ retryAfter: 'Thu, 01 Jan 1970 00:00:05 GMT' }, () => 1000), 4000)
 * assert.equal(retryAfterOf(new Error('down'), () => 0), undefined)
 * ```
 */
export const retryAfterOf = (error: unknown, wall: () => number): number | undefined => {
  const { retryAfterMs, retryAfter, headers, response } = Object(error) as Bag
  if (typeof retryAfterMs === 'number') return usable(retryAfterMs)
  const said = retryAfter ?? header(headers) ?? header((response as Bag | null | undefined)?.['headers'])
  if (typeof said !== 'number' && (typeof said !== 'string' || said.trim() === '')) return undefined
  const seconds = Number(said)
  return usable(Number.isNaN(seconds) ? Math.max(0, Date.parse(said as string) - wall()) : seconds * 1000)
}

const usable = (ms: number): number | undefined => (ms >= 0 ? ms : undefined)
