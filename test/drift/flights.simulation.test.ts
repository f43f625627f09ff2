/** Drift of the real flights of 2001: January against each later month, by airport of origin. */
import { beforeAll, describe, expect, test } from 'vitest'
import { hourOf, monthOf } from '../../examples/flight-delays/calendar.js'
import { isLate, loadFlights, type Flights } from '../../examples/flight-delays/data.js'
import { LiveProfile } from '../../src/drift/live-profile.js'
import { referenceProfile } from '../../src/drift/reference-profile.js'
import { rootCause, type RootCauseReport } from '../../src/drift/root-cause.js'

const names = ['January', 'February', 'March', 'April', 'May', 'June']
const features = ['hour', 'miles', 'destination']

/** The reports of each month from February on: about all features, and about the label alone. */
const reportsOf = (flights: Flights): { readonly all: Map<string, RootCauseReport>; readonly label: Map<string, RootCauseReport> } => {
  const ends = names.map((_, month) => flights.minute.findIndex((minute) => monthOf(minute) > month + 1)).map((end) => (end < 0 ? flights.count : end))
  const rowOf = (flight: number): object => ({ hour: hourOf(flights.minute[flight]!), miles: flights.distance[flight]!, destination: flights.airports[flights.destination[flight]!]!.code })
  const january = Array.from({ length: ends[0]! }, (_, flight) => flight).map(rowOf)
  const reference = referenceProfile(january, { features, kinds: { hour: 'categorical' }, label: (_, flight) => isLate(flights, flight) })
  const months = names.map((_, month) => {
    const origins = new Map<string | null, LiveProfile>()
    for (let flight = month === 0 ? 0 : ends[month - 1]!; flight < ends[month]!; flight++) {
      const { code } = flights.airports[flights.origin[flight]!]!
      let live = origins.get(code)
      if (live === undefined) origins.set(code, (live = new LiveProfile(reference)))
      live.count(rowOf(flight))
      live.countLabel(isLate(flights, flight))
    }
    return origins
  })
  const report = (chosen: readonly string[]): Map<string, RootCauseReport> =>
    new Map(
      names.slice(1).map((name, index) => {
        const after = months[index + 1]!
        const live = new LiveProfile(reference)
        for (const part of after.values()) live.merge(part)
        return [name, rootCause(reference, live, { features: chosen, segments: { origin: { before: months[0]!, after } } })]
      }),
    )
  return { all: report([...features, '@label']), label: report(['@label']) }
}

const excess = ({ within, chance }: { readonly within: number; readonly chance: number }): number => within - chance
const ranked = (reports: ReadonlyMap<string, RootCauseReport>, by: (report: RootCauseReport) => number): string[] =>
  [...reports].sort(([, x], [, y]) => by(y) - by(x)).map(([month]) => month)

describe('rootCause of the flights, January against later months,', () => {
  let reports: { readonly all: Map<string, RootCauseReport>; readonly label: Map<string, RootCauseReport> }
  beforeAll(async () => {
    reports = reportsOf(await loadFlights())
  }, 60_000)

  test('ranks the months by drift of the share of late flights: as a whole, and given the origin', () => {
    expect(ranked(reports.label, ({ features }) => features[0]!.effect)).toEqual(['May', 'February', 'April', 'June', 'March'])
    // June looks like January as a whole. By origin it is second.
    expect(reports.label.get('June')!.features[0]!.effect).toBeLessThan(0.01)
    expect(ranked(reports.label, ({ features }) => excess(features[0]!.bySegment[0]!))).toEqual(['May', 'June', 'April', 'February', 'March'])
  })

  test('finds ATL as origin in June as the first cause of the late flights, which it is in no other month', () => {
    const [first, second] = reports.label.get('June')!.causes
    expect(first).toMatchObject({ kind: 'segment', by: 'origin', segment: 'ATL', feature: '@label', cell: '"true"' })
    expect(first!.text).toBe('origin ATL: @label "true" 21.65 % → 32.39 %, 15 % of the divergence of @label within origin')
    expect(first!.adjustedPValue).toBeLessThan(1e-100)
    // The next one holds less than half of that.
    expect(second!.bits).toBeLessThan(first!.bits / 2)
    for (const [month, { causes }] of reports.label) if (month !== 'June') expect(causes[0]).not.toMatchObject({ segment: 'ATL' })
  })

  test('among all features too, behind those airports that keep no summer time or have a new plan of departures', () => {
    const causes = reports.all.get('June')!.causes.map((cause) => (cause.kind === 'segment' ? `${cause.segment} ${cause.feature}` : cause.kind))
    expect(causes.slice(0, 4)).toEqual(['PHX hour', 'ATL hour', 'SJU hour', 'ATL @label'])
  })

  test('splits without a rest over more than 200 airports', () => {
    for (const { features: splits, mixes } of reports.all.values()) {
      for (const { bits, cells, bySegment } of splits) {
        expect(cells.reduce((sum, cell) => sum + cell.bits, 0)).toBeCloseTo(bits, 14)
        expect(bySegment[0]!.parts.length).toBeGreaterThan(200)
        expect(bySegment[0]!.parts.reduce((sum, part) => sum + part.bits, 0)).toBeCloseTo(bySegment[0]!.within, 14)
        expect(bySegment[0]!.mix).toBeCloseTo(mixes[0]!.bits, 14)
      }
    }
  })
})
