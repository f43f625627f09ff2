/**
 * Draws the curves of docs/which-detector.md: `node --import tsx test/bench/drift-pictures.ts`, some minutes. Seeded: it draws the same again.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { adwin, driftVerdict, LiveProfile, pageHinkley, rateEDetector, referenceProfile, type StreamDetector } from '../../src/drift/index.js'
import { seeded } from '../drift/_seeded.js'
import { delaysOf, rateStream, type Scenario } from '../drift/streaming/_against-oracle.js'

interface Curve {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
}
interface Axes {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly xTicks: readonly number[]
  readonly yTicks: readonly number[]
  readonly isLog?: boolean
}

const colours = ['#0b6e99', '#c2571a', '#5b8c3e', '#7a4fa3']
const [width, height, left, right, top, bottom] = [640, 360, 62, 130, 40, 52]

const svg = (curves: readonly Curve[], { title, x, y, xTicks, yTicks, isLog = false }: Axes): string => {
  const scale = (value: number): number => (isLog ? Math.log(value) : value)
  const place = (value: number, ticks: readonly number[], map: (v: number) => number, from: number, to: number): number => {
    const [low, high] = [map(ticks[0] as number), map(ticks.at(-1) as number)]
    return Number((from + ((map(value) - low) / (high - low)) * (to - from)).toFixed(1))
  }
  const px = (value: number): number => place(value, xTicks, (v) => v, left, width - right)
  const py = (value: number): number => place(value, yTicks, scale, height - bottom, top)
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/><text x="${left}" y="22" font-size="14" font-weight="600">${title}</text>`,
    ...yTicks.map((tick) => `<path d="M${left} ${py(tick)}H${width - right}" stroke="#ddd"/><text x="${left - 8}" y="${py(tick) + 4}" text-anchor="end" fill="#555">${tick}</text>`),
    ...xTicks.map((tick) => `<text x="${px(tick)}" y="${height - bottom + 18}" text-anchor="middle" fill="#555">${tick}</text>`),
    `<text x="${(left + width - right) / 2}" y="${height - 12}" text-anchor="middle">${x}</text>`,
    `<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${y}</text>`,
  ]
  // Names stand beside the ends of their curves, apart from each other.
  const ends = curves.map((curve, index) => ({ index, at: py((curve.points.at(-1) as readonly [number, number])[1]) })).sort((a, b) => a.at - b.at)
  ends.forEach((end, i) => (end.at = Math.max(end.at, i === 0 ? 0 : (ends[i - 1] as { at: number }).at + 15)))
  curves.forEach(({ name, points }, index) => {
    const colour = colours[index % colours.length] as string
    parts.push(`<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map(([a, b]) => `${px(a)},${py(b)}`).join(' ')}"/>`)
    const at = ends.find((end) => end.index === index)?.at ?? 0
    parts.push(`<text x="${width - right + 8}" y="${at + 4}" fill="${colour}">${name}</text>`)
  })
  return `${parts.join('\n')}\n</svg>\n`
}

const folder = join(import.meta.dirname, '../../docs/pictures')
mkdirSync(folder, { recursive: true })
const draw = (name: string, curves: readonly Curve[], axes: Axes): void => writeFileSync(join(folder, `${name}.svg`), svg(curves, axes))

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const detectors: Readonly<Record<string, (reference: readonly number[]) => StreamDetector>> = {
  rateEDetector: (reference) => rateEDetector({ events: sum(reference), rows: reference.length }),
  adwin: () => adwin(),
  pageHinkley: () => pageHinkley(),
}

// ---- how many clean runs have alarmed by now

const runs = 400
const lengths = [0, 2000, 4000, 6000, 8000, 10_000]
const firstAlarms = (make: (reference: readonly number[]) => StreamDetector): number[] =>
  Array.from({ length: runs }, (_, run) => {
    const random = seeded((run + 1) * 7919)
    const value = (): number => Number(random.uniform() < 0.2)
    const detector = make(Array.from({ length: 2000 }, value))
    for (let i = 1; i <= 10_000; i++) if (detector.update(value()) === 'drift') return i
    return Infinity
  })
draw(
  'false-alarms',
  [
    ...Object.entries(detectors).map(([name, make]): Curve => {
      const alarms = firstAlarms(make)
      return { name, points: lengths.map((length) => [length, (100 * alarms.filter((at) => at <= length).length) / runs]) }
    }),
    { name: 'what is allowed', points: [[0, 0], [10_000, 5]] },
  ],
  { title: 'Clean runs with an alarm so far (errors at a rate of .2)', x: 'values', y: '% of runs', xTicks: lengths, yTicks: [0, 4, 8, 12, 16, 20] },
)

// ---- delays

const rates = [0.25, 0.3, 0.35, 0.4, 0.45, 0.5]
draw(
  'delays',
  Object.entries(detectors).map(([name, make]): Curve => ({
    name,
    points: rates.map((to) => {
      const scenario: Scenario = { stream: rateStream(0.2, to), referenceRows: 2000, before: 5000, make }
      return [to, delaysOf(scenario, 200, -Infinity).ours[100] as number]
    }),
  })),
  { title: 'Median delay after the error rate rises from .2', x: 'rate after the change', y: 'values', xTicks: rates, yTicks: [30, 100, 300, 1000, 3000], isLog: true },
)

// ---- power of a verdict

const shifts = [0, 0.1, 0.2, 0.3, 0.4, 0.5]
const random = seeded(77)
const power = (rows: number, shift: number): number => {
  let found = 0
  const tries = 100
  for (let i = 0; i < tries; i++) {
    const reference = referenceProfile(Array.from({ length: 5000 }, () => ({ x: random.normal() })))
    const live = new LiveProfile(reference)
    for (let row = 0; row < rows; row++) live.count({ x: random.normal() + shift })
    if (driftVerdict(reference, live).state === 'drifted') found += 1
  }
  return (100 * found) / tries
}
draw(
  'power',
  [200, 1000, 5000].map((rows): Curve => ({ name: `${rows} rows`, points: shifts.map((shift) => [shift, power(rows, shift)]) })),
  { title: 'Verdicts that find a shift of the mean (5000 reference rows)', x: 'shift in standard deviations', y: '% of verdicts', xTicks: shifts, yTicks: [0, 25, 50, 75, 100] },
)
