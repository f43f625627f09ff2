/** Numbers, times and foreign texts, as people read them. */
import { h } from './dom.js'

/** A number of the data: JSON has no infinity, so that such numbers are texts. */
export const numberOf = (value: number | string | null | undefined): number => (value === null || value === undefined ? Number.NaN : Number(value))

/** Three digits. */
export const short = (value: number | string | null | undefined): string => {
  const number = numberOf(value)
  if (Number.isNaN(number)) return '–'
  if (!Number.isFinite(number)) return number > 0 ? '∞' : '−∞'
  const size = Math.abs(number)
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return number.toExponential(1).replace('e+', 'e').replace('-', '−')
  return Number(number.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 6 }).replace('-', '−')
}

/** A whole number. */
export const count = (value: number): string => value.toLocaleString('en')

export const percent = (share: number | string | null | undefined): string => {
  const number = numberOf(share)
  if (Number.isNaN(number)) return '–'
  // What is not everything must not look as if it were.
  if (number < 1 && number > 0.9995) return `${(Math.floor(number * 1e5) / 1e3).toFixed(3)} %`
  if (number > 0 && number < 0.0001) return '< 0.01 %'
  return `${short(100 * number)} %`
}

export const ms = (value: number | string | null | undefined): string => {
  const number = numberOf(value)
  if (Number.isNaN(number)) return '–'
  if (number < 0.01) return '< 0.01 ms'
  if (number >= 10_000) return `${short(number / 1000)} s`
  return `${short(number)} ms`
}

const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dateTime = new Intl.DateTimeFormat('en-GB', { year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' })

/** A time, with the day where it is not today's. */
export const time = (at: number, now: number): HTMLElement => {
  const date = new Date(at)
  return h('time', { datetime: date.toISOString() }, (date.toDateString() === new Date(now).toDateString() ? clockTime : dateTime).format(date))
}

export const span = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** What would hide, reorder or break a line (controls, and what Unicode calls formats and separators of lines): shown as its number. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
const longest = 300

/** A text that somebody else wrote. */
export const clean = (text: unknown): string => {
  const shown = String(text).replaceAll(invisible, (letter) => `\\u{${letter.codePointAt(0)?.toString(16)}}`)
  return shown.length > longest ? `${shown.slice(0, longest)}…` : shown
}

/** The same as an element whose direction does not spread. */
export const foreign = (text: unknown): HTMLElement => h('bdi', {}, clean(text))

export const plural = (number: number, one: string, many = `${one}s`): string => `${count(number)} ${number === 1 ? one : many}`
