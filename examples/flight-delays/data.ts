import { fileURLToPath } from 'node:url'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { epochMinute } from './calendar.js'
import { minutesBehindEastern } from './time-zones.js'

/** A flight is late when it arrives more than this many minutes after its schedule. */
export const LATE_AFTER_MINUTES = 15

export interface Airport {
  readonly code: string
  readonly minutesBehindEastern: number
}

/**
 * The flights as columns, in order of departure; a flight is named by its row.
 *
 * The file's `date` is the minute in which the flight really left the gate, in the local time of its origin, and `delay`
 * is the delay on arrival (see `scripts/flights.py` of vega-datasets), so what is predicted is: it leaves now; will it
 * arrive late?
 */
export interface Flights {
  readonly count: number
  /** Of departure; see `calendar.ts`. */
  readonly minute: Int32Array
  /** On arrival, in minutes; negative when early. */
  readonly delay: Int16Array
  /** In miles. */
  readonly distance: Int16Array
  /** Row in `airports`. */
  readonly origin: Uint16Array
  readonly destination: Uint16Array
  readonly airports: readonly Airport[]
  /** What was read, in words. */
  readonly sample: string
}

export const isLate = (flights: Flights, flight: number): boolean => flights.delay[flight]! > LATE_AFTER_MINUTES

export interface LoadFlightsOptions {
  /**
   * Read only the flights between the busiest airports, this many of them (by departures in January). The whole of
   * each such route is there, so that histories and their hours stay as dense as in the full data.
   * @default all airports
   */
  readonly busiestAirports?: number
}

/** Reads January to June 2001, in the order of (departure, origin, destination, distance, delay), which is total. */
export const loadFlights = async (options: LoadFlightsOptions = {}): Promise<Flights> => {
  const { busiestAirports } = options
  // DuckDB would take 80 % of the machine's memory; sorting these columns needs far less.
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '600MB', threads: '2' })
  const connection = await instance.connect()
  try {
    const airports = await readAirports(connection, busiestAirports)
    const flights = await readColumns(connection, airports)
    const sample = busiestAirports === undefined ? 'all flights' : `a sample: the flights between the ${busiestAirports} busiest airports`
    return { ...flights, airports, sample }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const quoted = (text: string): string => text.replaceAll("'", "''")

// The package exports no data file; its entry is in `build/`, beside `data/`.
const dataFile = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.resolve('vega-datasets')))

// The file has six flights of 1 July.
const flightFile = `(from read_parquet('${quoted(dataFile('flights-3m.parquet'))}') where date < timestamp '2001-07-01')`

const readAirports = async (connection: DuckDBConnection, busiest: number | undefined): Promise<readonly Airport[]> => {
  const codes =
    busiest === undefined
      ? `select origin as code from ${flightFile} union select destination from ${flightFile}`
      : `select origin as code from ${flightFile} where date < timestamp '2001-02-01'
         group by code order by count(*) desc, code limit ${Number(busiest)}`
  const rows = await connection.runAndReadAll(
    `select code, coalesce(state, '') from (${codes}) left join read_csv('${quoted(dataFile('airports.csv'))}') on iata = code order by code`,
  )
  return rows.getRows().map(([code, state]) => ({
    code: String(code),
    minutesBehindEastern: minutesBehindEastern(String(code), String(state)),
  }))
}

const readColumns = async (
  connection: DuckDBConnection,
  airports: readonly Airport[],
): Promise<Omit<Flights, 'airports' | 'sample'>> => {
  const airport = `(from (values ${airports.map(({ code }, row) => `('${quoted(code)}', ${row})`).join()}) as airport(code, row))`
  const result = await connection.stream(
    `select (epoch(date) / 60 - ${epochMinute})::integer as minute, o.row as origin, d.row as destination,
       distance::integer as distance, delay::integer as delay
     from ${flightFile} join ${airport} o on origin = o.code join ${airport} d on destination = d.code
     order by all`,
  )
  const count = 3_000_000 // at most
  const minute = new Int32Array(count)
  const origin = new Uint16Array(count)
  const destination = new Uint16Array(count)
  const distance = new Int16Array(count)
  const delay = new Int16Array(count)
  const columns = [minute, origin, destination, distance, delay]
  let filled = 0
  for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (const [index, column] of columns.entries()) {
      const vector = chunk.getColumnVector(index)
      for (let row = 0; row < chunk.rowCount; row += 1) column[filled + row] = Number(vector.getItem(row))
    }
    filled += chunk.rowCount
  }
  return {
    count: filled,
    minute: minute.slice(0, filled),
    origin: origin.slice(0, filled),
    destination: destination.slice(0, filled),
    distance: distance.slice(0, filled),
    delay: delay.slice(0, filled),
  }
}
