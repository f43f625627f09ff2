/** Times are whole minutes since 2001-01-01 00:00, a Monday, on the wall clock of the airport of departure. */

/** The first minute of a month; 7 gives the end of the data. */
export const monthStart = (month: number): number => Date.UTC(2001, month - 1, 1) / 60_000 - epochMinute

/** The epoch in minutes of minute 0, as DuckDB's `epoch` and `Date` count. */
export const epochMinute: number = Date.UTC(2001, 0, 1) / 60_000

export const MINUTES_PER_DAY = 1440

/** 0 … 23. */
export const hourOf = (minute: number): number => Math.floor(minute / 60) % 24

/** 0 is Monday. */
export const weekdayOf = (minute: number): number => Math.floor(minute / MINUTES_PER_DAY) % 7

/** 0 is 1 January. */
export const dayOf = (minute: number): number => Math.floor(minute / MINUTES_PER_DAY)

const starts = [1, 2, 3, 4, 5, 6, 7].map(monthStart)

/** 1 is January. */
export const monthOf = (minute: number): number => {
  let month = 1
  while (month < 7 && minute >= (starts[month] ?? Infinity)) month += 1
  return month
}

/** `2001-03-06T06:29`. */
export const isoMinute = (minute: number): string =>
  new Date((minute + epochMinute) * 60_000).toISOString().slice(0, 16)
