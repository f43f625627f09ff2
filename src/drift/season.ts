import { InvalidOptionError } from '../core/errors.js'

/** Into which season a moment falls: by the clock in UTC, or by a function of milliseconds since 1970 (local hours, holidays). */
export type Season = 'hour-of-day' | 'day-of-week' | 'hour-of-week' | ((at: number) => string)

const hourMs = 3_600_000
// 1970 began on a Thursday; weeks begin on Monday.
const hourOfWeek = (at: number): number => (Math.floor(at / hourMs) + 72) % 168
const named = {
  'hour-of-day': (at: number): string => `hour ${hourOfWeek(at) % 24}`,
  'day-of-week': (at: number): string => `day ${Math.floor(hourOfWeek(at) / 24)}`,
  'hour-of-week': (at: number): string => `hour ${hourOfWeek(at)}`,
} as const

/** The function of a season, or a coded error that names the option. Without a season there is one, for always. */
export const seasonOption = (owner: string, season: Season | undefined): ((at: number) => string) => {
  if (season === undefined) return () => ''
  if (typeof season === 'function') return season
  if (Object.hasOwn(named, season)) return named[season]
  throw new InvalidOptionError(`Cannot create ${owner} as \`season\` must be 'hour-of-day', 'day-of-week', 'hour-of-week' or a function: current value is ${String(season)}`)
}
