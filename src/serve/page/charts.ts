/** The two charts of a predictor. They keep their canvases while the page around them changes. */
import uPlot from 'uplot'
import type { DashboardData, PredictorData } from '../dashboard-data.js'
import { h } from './dom.js'
import { ms, percent, plural, short } from './format.js'

const charts = new Map<string, uPlot>()
const height = 180

/** Where a chart goes, and what it says to who cannot see it. */
export const chartPlace = (key: string, caption: string, spoken: string): HTMLElement =>
  h('figure', { 'data-key': key }, h('figcaption', {}, caption), h('div', { class: 'chart', role: 'img', 'aria-label': spoken }, h('div', { id: key, 'data-keep': true, 'data-key': `${key}-canvas` })))

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const axis = (size: number, values: (ticks: number[]) => string[]): uPlot.Axis => ({
  stroke: colour('faint'),
  grid: { stroke: colour('line'), width: 1 },
  ticks: { stroke: colour('line'), width: 1 },
  font: '12px system-ui, sans-serif',
  size,
  values: (_, ticks) => values(ticks),
})

const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const hourAndMinute = (seconds: number): string => clockTime.format(1000 * seconds)

const line = (label: string, name: string, show: (value: number) => string, fill = false): uPlot.Series => ({
  label,
  stroke: colour(name),
  width: 1.5,
  points: { size: 4 },
  value: (_, value) => (value === null ? '–' : show(value)),
  ...(fill ? { fill: `color-mix(in srgb, ${colour(name)} 25%, transparent)` } : {}),
})

const draw = (key: string, data: uPlot.AlignedData, series: uPlot.Series[], ticks: (values: number[]) => string[]): void => {
  const place = document.getElementById(key)
  if (place === null) return
  const old = charts.get(key)
  if (old !== undefined && old.root.parentElement === place) return old.setData(data)
  old?.destroy()
  const chart = new uPlot(
    { width: Math.max(240, place.clientWidth), height, cursor: { y: false }, scales: { x: { time: true }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] } }, axes: [axis(28, (ticks) => ticks.map(hourAndMinute)), axis(64, ticks)], series: [{ value: '{HH}:{mm}:{ss}' }, ...series] },
    data,
    place,
  )
  charts.set(key, chart)
}

/** Draws what the places on the page are for. */
export const drawCharts = ({ predictors, at }: DashboardData): void => {
  predictors.forEach(({ series }, index) => {
    const { from, stepMs, rows, failed, degraded } = series
    // A step that is not over would look like a fall.
    const over = rows.findIndex((_, step) => from + (step + 1) * stepMs > at)
    const done = <T>(values: readonly T[]): T[] => values.slice(0, over === -1 ? undefined : over)
    const times = done(rows).map((_, step) => (from + (step + 1) * stepMs) / 1000)
    const rate = (counts: readonly number[]): number[] => done(counts).map((one) => (1000 * one) / stepMs)
    const [p50, p99] = [done(series.p50), done(series.p99)]
    draw(`calls-${index}`, [times, rate(rows), rate(degraded), rate(failed)], [line('calls / s', 'calls', short, true), line('fallback or stale', 'degraded', short), line('failed', 'bad', short)], (values) => values.map(short))
    draw(`latency-${index}`, [times, p50, p99], [line('half', 'calls', ms), line('99 of 100', 'slow', ms)].map((series) => ({ ...series, spanGaps: true })), (values) => values.map((value) => (value === 0 ? '0' : ms(value))))
  })
}

/** The colours are in the canvases: drawn anew when they change. */
export const forgetCharts = (): void => {
  for (const chart of charts.values()) chart.destroy()
  charts.clear()
}

export const fitCharts = (): void => {
  for (const [key, chart] of charts) {
    const width = document.getElementById(key)?.parentElement?.clientWidth ?? 0
    if (width > 0 && width !== chart.width) chart.setSize({ width, height })
  }
}

/** What the charts show, in a sentence. */
export const spokenSeries = ({ hour }: PredictorData): string =>
  `The last hour: ${plural(hour.rows, 'call')}, ${percent(hour.failed / hour.rows)} failed, ${percent(hour.degraded / hour.rows)} answered by a fallback or stale. Half took up to ${ms(hour.p50)}, 99 of 100 up to ${ms(hour.p99)}.`
