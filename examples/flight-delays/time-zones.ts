/**
 * How many minutes an airport's clock is behind New York's: the most it is at any time from January to June 2001.
 * (Arizona, Hawaii and most of Indiana had no summer time; a state in two zones counts here as the western one, except
 * for the airports named.) A bound that is too large only makes a label known later than it was, never earlier.
 */
export const minutesBehindEastern = (airport: string, state: string): number => 60 * (byAirport[airport] ?? byState[state] ?? 0)

const byAirport: Readonly<Record<string, number>> = {
  BNA: 1, ELP: 2, MEM: 1, PFN: 1, PNS: 1, RAP: 2, VPS: 1,
}

const byState: Readonly<Record<string, number>> = {
  AL: 1, AR: 1, IA: 1, IL: 1, IN: 1, KS: 1, LA: 1, MN: 1, MO: 1, MS: 1, ND: 1, NE: 1, OK: 1, SD: 1, TX: 1, WI: 1,
  CO: 2, ID: 2, MT: 2, NM: 2, UT: 2, WY: 2,
  AZ: 3, CA: 3, NV: 3, OR: 3, WA: 3,
  AK: 4, HI: 6,
}
