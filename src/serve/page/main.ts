/** The page: asks for the data, draws it, and draws again when there is news. */
import type { DashboardData } from '../dashboard-data.js'
import { drawCharts, fitCharts, forgetCharts } from './charts.js'
import { become } from './dom.js'
import { clean, time } from './format.js'
import { openPrediction } from './prediction.js'
import { story } from './sections.js'

const element = (id: string): HTMLElement => document.getElementById(id) as HTMLElement

/** Where it is mounted, with or without a slash at the end of its address. */
const base = `${location.pathname.replace(/\/$/, '')}/`
let latest: DashboardData | undefined
let isPaused = false

const draw = (): void => {
  if (latest === undefined) return
  document.title = clean(latest.title)
  element('title').textContent = clean(latest.title)
  become(element('story'), story(latest))
  drawCharts(latest)
}

const say = (text: string, at?: number): void => element('connection').replaceChildren(text, ...(at === undefined ? [] : [' ', time(at, at)]))

const news = new EventSource(`${base}events`)
news.onmessage = ({ data }: MessageEvent<string>) => {
  if (isPaused) return
  latest = JSON.parse(data) as DashboardData
  draw()
  say('Live, as of', latest.at)
}
news.onerror = () => say(news.readyState === EventSource.CLOSED ? 'The service does not answer. Load the page again.' : 'The connection is lost; trying again…')

element('pause').addEventListener('click', () => {
  isPaused = !isPaused
  element('pause').setAttribute('aria-pressed', String(isPaused))
  if (isPaused && latest !== undefined) say('Paused at', latest.at)
})
document.addEventListener('click', ({ target }) => {
  const id = target instanceof Element ? target.closest('[data-open]')?.getAttribute('data-open') : undefined
  if (id !== undefined && id !== null) void openPrediction(base, id)
})
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  forgetCharts()
  draw()
})
new ResizeObserver(fitCharts).observe(document.body)
