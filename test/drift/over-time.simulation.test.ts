/** False pages over months, and windows that differ though nothing changed. */
import { describe, expect, test } from 'vitest'
import { loadFlights } from '../../examples/flight-delays/data.js'
import { driftMonitor, driftVerdict, LiveProfile, referenceHistory, referenceProfile, type InputDriftMonitor } from '../../src/drift/index.js'
import { pipe } from '../../src/core/pipe.js'
import { fakeClock } from '../../src/testing/fake-clock.js'
import { seeded } from './_seeded.js'

/** A share, and three standard errors of it. */
const bound = (share: number, of: number): number => share + 3 * Math.sqrt((share * (1 - share)) / of)

describe('windows that differ though nothing changed', () => {
  /** A window whose rows are all off together: its mean by `spread` standard deviations, the share of missing values and of categories as well. */
  const windowOf = (random: ReturnType<typeof seeded>, rows: number, spread: number): object[] => {
    const [shift, missing] = [spread * random.normal(), Math.max(0, 0.02 * (1 + 2 * spread * random.normal()))]
    return Array.from({ length: rows }, () => ({ x: random.uniform() < missing ? null : random.normal() + shift, c: `c${random.index([0.5 + 0.1 * shift, 0.3, 0.2 - 0.1 * shift])}` }))
  }

  test.each([
    { spread: 0, windows: 40, plainAlarms: 0 },
    { spread: 0.1, windows: 40, plainAlarms: 0.15 },
    { spread: 0.3, windows: 16, plainAlarms: 0.5 },
    { spread: 0.3, windows: 120, plainAlarms: 0.5 },
  ])('are no drift with a history of $windows windows, at a spread of $spread: false alarms at 5 %', ({ spread, windows, plainAlarms }) => {
    const runs = 60
    const perRun = 4
    let [plain, held] = [0, 0]
    for (let run = 1; run <= runs; run++) {
      const random = seeded(run * 7919)
      const rows = Array.from({ length: windows }, () => windowOf(random, 300, spread)).flat()
      const reference = referenceProfile(rows)
      const history = referenceHistory(reference, rows, { at: (_, index) => index, windowRows: 300 })
      for (let i = 0; i < perRun; i++) {
        const live = new LiveProfile(reference)
        for (const row of windowOf(random, 300, spread)) live.count(row)
        if (driftVerdict(reference, live, { tolerance: 0 }).state === 'drifted') plain += 1
        if (driftVerdict(reference, live, { tolerance: 0, history }).state === 'drifted') held += 1
      }
    }
    // Verdicts of one run share its reference.
    expect(held / runs / perRun).toBeLessThanOrEqual(bound(0.05, runs))
    expect(plain / runs / perRun).toBeGreaterThanOrEqual(plainAlarms)
  })

  test('hide no shift that is larger than theirs', () => {
    const random = seeded(3)
    const rows = Array.from({ length: 60 }, () => windowOf(random, 300, 0.1)).flat()
    const reference = referenceProfile(rows)
    const history = referenceHistory(reference, rows, { at: (_, index) => index, windowRows: 300 })
    let found = 0
    for (let i = 0; i < 20; i++) {
      const live = new LiveProfile(reference)
      for (const row of windowOf(random, 300, 0.1)) live.count({ ...row, x: random.normal() + 0.6 })
      if (driftVerdict(reference, live, { history, alpha: 0.001 }).state === 'drifted') found += 1
    }
    expect(found).toBe(20)
  })
})

interface Flight {
  readonly at: number
  readonly delay: number
  readonly distance: number
  readonly origin: string
}
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const newYear = Date.UTC(2001, 0, 1)
const hourOfWeek = (at: number): number => Math.floor(at / hourMs) % 168

/** The real flights between the ten busiest airports, January to June 2001. */
const flights = await loadFlights({ busiestAirports: 10 }).then(({ count, minute, delay, distance, origin, airports }) =>
  Array.from({ length: count }, (_, i): Flight => ({ at: newYear + (minute[i] as number) * 60_000, delay: delay[i] as number, distance: distance[i] as number, origin: airports[origin[i] as number]?.code ?? '' })),
)

/** The same flights at the same times, but which one it was is exchanged at random among all of the same hour of the week. */
const exchangedRows = (seed: number): Flight[] => {
  const random = seeded(seed * 104_729)
  const strata = new Map<number, number[]>()
  flights.forEach(({ at }, index) => {
    const stratum = hourOfWeek(at)
    const own = strata.get(stratum)
    if (own === undefined) strata.set(stratum, [index])
    else own.push(index)
  })
  const source = new Int32Array(flights.length)
  for (const own of strata.values()) {
    const shuffled = [...own]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(random.uniform() * (i + 1))
      ;[shuffled[i], shuffled[j]] = [shuffled[j] as number, shuffled[i] as number]
    }
    own.forEach((index, place) => (source[index] = shuffled[place] as number))
  }
  return flights.map(({ at }, index) => ({ ...(flights[source[index] as number] as Flight), at }))
}

/** The same flights, but whole days are exchanged at random among the days of the same weekday: what makes a day (a storm) stays together. */
const exchangedDays = (seed: number): Flight[] => {
  const random = seeded(seed * 15_485_863)
  const days: Flight[][] = []
  for (const flight of flights) (days[Math.floor((flight.at - newYear) / dayMs)] ??= []).push(flight)
  const order = days.map((_, day) => day)
  for (let weekday = 0; weekday < 7; weekday++) {
    const own = order.filter((day) => day % 7 === weekday)
    for (let i = own.length - 1; i > 0; i--) {
      const j = Math.floor(random.uniform() * (i + 1))
      ;[own[i], own[j]] = [own[j] as number, own[i] as number]
    }
    own.forEach((day, place) => (order[place * 7 + weekday] = day))
  }
  return order.flatMap((day, place) => (days[day] ?? []).map((flight) => ({ ...flight, at: flight.at + (place - day) * dayMs })))
}

/** How often drift is raised from `liveFrom` on, with one false page in 30 days allowed and no tolerance at all. */
const pagesOf = async (rows: readonly Flight[], liveFrom: number, windowRows: number, withHistory = true): Promise<number> => {
  const before = rows.filter(({ at }) => at < liveFrom)
  const reference = referenceProfile(before, { features: ['delay', 'distance', 'origin'] })
  const history = referenceHistory(reference, before, { at: ({ at }) => at, windowRows, season: 'hour-of-week' })
  const clock = fakeClock({ wallMs: liveFrom })
  const drift: InputDriftMonitor<Flight> = driftMonitor({ reference, windowRows, tolerance: 0, ...(withHistory ? { history } : {}), falsePages: { atMost: 1, days: 30 }, clock, features: (flight: Flight) => flight })
  const predict = pipe((flight: Flight) => flight.distance, drift)
  let pages = 0
  predict.observe((event) => {
    if (event.type === 'state' && event.to === 'drifted') pages += 1
  }, { predictions: false })
  const live = rows.filter(({ at }) => at >= liveFrom)
  for (let from = 0; from < live.length; ) {
    const hour = Math.floor((live[from] as Flight).at / hourMs)
    let to = from
    while (to < live.length && Math.floor((live[to] as Flight).at / hourMs) === hour) to += 1
    await clock.advance(Math.max(0, (live[from] as Flight).at - clock.wall()))
    await predict.batch(live.slice(from, to))
    from = to
  }
  return pages
}

describe('the half-year of flights', () => {
  const seeds = 20
  const april = newYear + 13 * 7 * dayMs
  const allowed = (181 - 13 * 7) / 30

  test.each([['rows', exchangedRows], ['days', exchangedDays]] as const)('whose %s are exchanged within strata raises no more false pages than are allowed', async (_, exchanged) => {
    let pages = 0
    for (let seed = 1; seed <= seeds; seed++) pages += await pagesOf(exchanged(seed), april, 1000)
    expect(pages).toBeLessThanOrEqual(allowed * seeds + 3 * Math.sqrt(allowed * seeds))
  })

  test('whose days are exchanged raises more than are allowed where nobody knows how much days differ', async () => {
    let pages = 0
    for (let seed = 1; seed <= 3; seed++) pages += await pagesOf(exchangedDays(seed), april, 1000, false)
    expect(pages).toBeGreaterThan(2 * allowed * 3)
  })

  test('as it was raises pages: April to June are not like the winter', async () => {
    expect(await pagesOf(flights, april, 1000)).toBeGreaterThan(0)
  })
})
