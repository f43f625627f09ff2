/** The settings in which batch detectors are judged: what does not change, and what does. */
import { seeded, zipf } from '../_seeded.js'

type Random = ReturnType<typeof seeded>
/** One sample of so many rows. */
export type Draw<T> = (random: Random, rows: number) => T
export interface CountsOf {
  readonly counts: number[]
}

export const even = (k: number): number[] => new Array<number>(k).fill(1 / k)
export const categories =
  (shares: readonly number[]): Draw<CountsOf> =>
  (random, rows) => {
    const counts = new Array<number>(shares.length).fill(0)
    for (let row = 0; row < rows; row++) {
      const cell = random.index(shares)
      counts[cell] = (counts[cell] as number) + 1
    }
    return { counts }
  }
const numbers =
  (draw: (random: Random) => number): Draw<number[]> =>
  (random, rows) =>
    Array.from({ length: rows }, () => draw(random))
export const normal = (mean = 0, deviation = 1): Draw<number[]> => numbers((random) => mean + deviation * random.normal())
/** Student's t with 2 degrees of freedom, whose variance is infinite. */
export const heavy: Draw<number[]> = numbers((random) => {
  const u = random.uniform() || 0.5
  return (2 * u - 1) * Math.sqrt(2 / (4 * u * (1 - u)))
})

export interface Clean<T> {
  readonly name: string
  readonly draw: Draw<T>
  readonly reference: number
  readonly live: number
  /** Whether every cell expects 5 rows or more in both samples, so that a test may not be more careful than 3.5 %. */
  readonly dense: boolean
}
const clean = <T>(name: string, draw: Draw<T>, reference: number, live: number, dense: boolean): Clean<T> => ({ name: `${name}, ${reference} / ${live}`, draw, reference, live, dense })

/** The field notes' settings for chi-square and for distances of shares, and each with 20 live rows. */
export const cleanCategories: readonly Clean<CountsOf>[] = [
  ...[3, 5, 10, 20].flatMap((k) => [clean(`${k} categories`, categories(even(k)), 1000, 1000, true), clean(`${k} categories`, categories(even(k)), 500, 1000, true), clean(`${k} categories`, categories(even(k)), 1000, 20, k === 3)]),
  clean('Zipf, 200 categories', categories(zipf(200)), 1000, 1000, false),
  clean('Zipf, 200 categories', categories(zipf(200)), 1000, 20, false),
  clean('50 categories', categories(even(50)), 2000, 500, true),
  clean('200 categories', categories(even(200)), 2000, 2000, true),
  clean('10 categories', categories(even(10)), 2000, 200, true),
  clean('50 categories', categories(even(50)), 2000, 20, false),
]
export const cleanNumbers: readonly Clean<number[]>[] = [
  ...[20, 50, 100, 200, 500, 1000].map((live) => clean('normal', normal(), 2000, live, true)),
  clean('Student t(2)', heavy, 5000, 200, true),
  clean('Student t(2)', heavy, 5000, 20, true),
]

/** 6 %, and three standard errors of a share of that many runs. */
export const most = (runs: number): number => 0.06 + 3 * Math.sqrt((0.05 * 0.95) / runs)
/** 3.5 %, less three standard errors. */
export const least = (runs: number): number => 0.035 - 3 * Math.sqrt((0.05 * 0.95) / runs)

/** How often something holds, over seeded runs. */
export const share = (runs: number, holds: (random: Random, run: number) => boolean): number => {
  let count = 0
  for (let run = 1; run <= runs; run++) if (holds(seeded(run * 7919), run)) count += 1
  return count / runs
}

/** Rows of 8 numbers that hang together; three of them shifted, all of them spread. */
export const embeddings =
  (shift = 0, spread = 1): Draw<Float32Array[]> =>
  (random, rows) =>
    Array.from({ length: rows }, () => {
      const common = 0.6 * random.normal()
      return Float32Array.from({ length: 8 }, (_, column) => spread * (common + random.normal()) + (column < 3 ? shift : 0))
    })
