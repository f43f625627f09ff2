/** The page in a real browser: it loads, its numbers are those of the records, it fits a phone, and hostile texts stay texts. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { circuitBreaker, fallback, pipe, predictor, seededRandom, type PredictionRecord } from 'outrigger'
import { driftMonitor, referenceProfile } from 'outrigger/drift'
import { nodeListener } from 'outrigger/models'
import { alerts, objectives } from 'outrigger/observe'
import { shadow } from 'outrigger/route'
import { defineSchema } from 'outrigger/schema'
import { dashboard, type Dashboard } from 'outrigger/serve'
import { faults } from 'outrigger/testing'
import { hasChromium, startChromium } from '../_servers/chromium.js'
import { bundlePage } from '../../src/serve/_bundle-page.js'

const hostile = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>'
const reversed = 'a\u202etxt.exe\u0007'

interface Trip {
  readonly km: number
  readonly city: string
}

/** A service that has had some traffic, part of it bad. */
const service = async () => {
  const random = seededRandom('page')
  const input = defineSchema({ km: { type: 'number' }, city: { type: 'string' }, [hostile]: { type: 'string', optional: true }, mail: { type: 'string', tags: ['pii'], optional: true } })
  const reference = referenceProfile(Array.from({ length: 2000 }, (_, i) => ({ km: i % 500, city: ['Oslo', 'Rome'][i % 2] as string })))
  const monitor = driftMonitor({ reference })
  const fault = faults({ seed: 1 })
  const candidate = shadow((trip: Trip) => trip.km + 1, { agree: (a: number, b: number) => a === b })
  const predict = pipe(predictor((trip: Trip) => trip.km, { name: hostile, version: reversed, input }), fault, monitor, candidate, circuitBreaker({ failureRate: 0.5, minimumCalls: 20 }))
  const guarded = pipe(predictor((trip: Trip) => { if (trip.km > 450) throw new RangeError('far'); return trip.km }, { name: 'guarded' }), fallback(() => 0))
  const watch = alerts({ objectives: objectives([{ kind: 'availability', objective: 0.99 }]), everyMs: Infinity })
  predict.observe(watch.observer)
  const records: PredictionRecord[] = []
  for (const one of [predict, guarded]) one.observe((event) => void (event.type === 'prediction' && records.push(event.record)))
  const board = dashboard({ [hostile]: predict, guarded }, { title: `Trips ${hostile}`, everyMs: 100, alerts: watch, drift: { trips: monitor }, shadows: { next: candidate } })
  for (let i = 0; i < 400; i += 1) {
    const trip = { km: i > 200 ? 5000 : random.integer(500), city: i % 7 === 0 ? hostile : 'Oslo', [hostile]: reversed, mail: 'SECRET' }
    await predict(trip, { id: i === 0 ? hostile : `trip-${i}` })
    await guarded({ ...trip, km: random.integer(500) })
  }
  await candidate.idle()
  fault.set({ error: 1 })
  for (let i = 0; i < 60; i += 1) await predict({ km: 1, city: 'Rome' }, { id: `bad-${i}-${reversed}` }).catch(() => {})
  return { predict, guarded, records, board, watch }
}

describe.runIf(hasChromium())('the page in Chromium', () => {
  let browser: Browser
  let server: Server
  let board: Dashboard
  let given: Awaited<ReturnType<typeof service>>
  let address = ''
  const complaints: string[] = []

  const open = async (path = '/ops', options: Parameters<Browser['newPage']>[0] = {}): Promise<Page> => {
    const page = await browser.newPage(options)
    page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => void (request.url().startsWith(address) || request.url().startsWith('data:') || complaints.push(`asked for ${request.url()}`)))
    await page.goto(`${address}${path}`)
    await page.waitForSelector('#healthy')
    return page
  }
  const text = async (page: Page, selector: string): Promise<string> => (await page.locator(selector).first().innerText()).replaceAll(/\s+/g, ' ')

  beforeAll(async () => {
    given = await service()
    ;({ board } = given)
    server = createServer(nodeListener(board))
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    browser = await startChromium()
  }, 30_000)
  afterAll(async () => {
    await browser?.close()
    board?.close()
    server?.closeAllConnections()
    await given?.watch.close()
    expect(complaints).toEqual([])
  })

  it('is at most 120 kB packed', async () => {
    expect(gzipSync(await bundlePage(), { level: 9 }).length).toBeLessThan(120_000)
  })

  it('says first what needs somebody, and the numbers of the records', async () => {
    const page = await open()
    const count = (n: number): string => n.toLocaleString('en')
    expect(await text(page, '.verdict')).toMatch(/^■ \d matters need somebody\.$/)
    expect(await page.locator('.summary li').allInnerTexts()).toEqual(expect.arrayContaining([expect.stringMatching(/availability burns its error budget/), expect.stringMatching(/circuit breaker of .* is open/), expect.stringMatching(/2 features of trips differ from the reference/)]))
    const { records } = given
    for (const at of [0, 1]) {
      // The ids of the first one's calls were given, those of the other were made.
      const mine = records.filter(({ id }) => (/^[0-9a-f-]{36}$/.test(id) ? 1 : 0) === at)
      expect(mine).toHaveLength(at === 0 ? 460 : 400)
      const shown = await page.locator(`[data-key="health-${at}"] .figure`).allInnerTexts()
      const figures = Object.fromEntries(shown.map((one) => one.split('\n').filter((part) => part !== '') as [string, string]))
      expect(figures['calls since it watches']).toBe(count(mine.length))
      expect(figures['calls in the last hour']).toBe(count(mine.length))
      const [failed, degraded] = [mine.filter(({ outcome }) => outcome !== 'ok').length, mine.filter(({ source }) => source === 'fallback').length]
      expect(figures['failed']).toBe(`${Number(((100 * failed) / mine.length).toPrecision(3))} %`)
      expect(figures['fallback or stale']).toBe(`${Number(((100 * degraded) / mine.length).toPrecision(3))} %`)
      expect(failed + degraded).toBeGreaterThan(0)
    }
    await page.click('[data-key="sums-1"] summary')
    const sources = await page.locator('[data-key="source-1"] tbody tr').allInnerTexts()
    const bySource = (source: string): number => records.filter((one) => one.source === source && one.variants.length === 0 && one.id.length === 36).length
    expect(sources.map((row) => row.split('\t').slice(0, 2).map((cell) => cell.trim()))).toEqual([['model', count(bySource('model'))], ['fallback', count(bySource('fallback'))]])
    await page.close()
  })

  it('shows hostile names, versions, ids and inputs as texts', async () => {
    const page = await open()
    await page.click('[data-key="slowest-0-list"] summary')
    expect(await page.evaluate('window.broken')).toBeUndefined()
    expect(await page.locator('img, main script, dialog script').count()).toBe(0)
    const all = await page.locator('main').innerText()
    expect(all).toContain(hostile)
    expect(all).toContain('a\\u{202e}txt.exe\\u{7}')
    for (const letter of ['\u202e', '\u0007']) expect(all).not.toContain(letter)
    expect(await page.title()).toBe(`Trips ${hostile}`)
    await page.evaluate(`document.querySelector('main').insertAdjacentHTML('beforeend', '<button data-open="trip-3">open</button>')`)
    await page.locator('[data-key="failures-0-list"] summary').click()
    await page.locator('[data-key="failures-0"] button').first().click()
    await page.waitForSelector('dialog[open] .record')
    expect(await text(page, 'dialog')).toContain('bad-59-a\\u{202e}txt.exe\\u{7}')
    expect(await text(page, 'dialog')).toContain('ERR_OUTRIGGER')
    expect(await page.content()).not.toContain('SECRET')
    await page.close()
  })

  it('opens one prediction by keyboard, and gives the focus back', async () => {
    const page = await open()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.className')).toBe('skip')
    const opener = page.locator('[data-key="errors-0"] button.id').first()
    await opener.focus()
    const id = await opener.innerText()
    await page.keyboard.press('Enter')
    await page.waitForSelector('dialog[open] .record')
    expect(await text(page, 'dialog h2')).toBe(`Prediction ${id}`)
    await page.keyboard.press('Escape')
    expect(await page.locator('dialog[open]').count()).toBe(0)
    expect(await page.evaluate('document.activeElement.textContent')).toBe(id)
    await page.close()
  })

  it('is live, keeps focus and what was opened, and can be paused', async () => {
    const page = await open()
    await page.click('[data-key="stack-1"] summary')
    await page.locator('#pause').focus()
    const figure = '[data-key="health-1"] .figure:last-child dd'
    const before = Number((await page.locator(figure).innerText()).replaceAll(',', ''))
    await given.guarded({ km: 1, city: 'Oslo' })
    await page.locator(figure).filter({ hasText: String(before + 1) }).waitFor()
    expect(await page.evaluate('document.activeElement.id')).toBe('pause')
    expect(await page.locator('[data-key="stack-1"]').getAttribute('open')).not.toBeNull()
    await page.keyboard.press('Enter')
    expect(await page.locator('#pause').getAttribute('aria-pressed')).toBe('true')
    expect(await text(page, '#connection')).toMatch(/^Paused at/)
    await given.guarded({ km: 1, city: 'Oslo' })
    const other = await open()
    await other.locator(figure).filter({ hasText: String(before + 2) }).waitFor()
    expect(Number((await page.locator(figure).innerText()).replaceAll(',', ''))).toBe(before + 1)
    await other.close()
    await page.close()
  })

  it('fits a phone, a desk and a doubled text, in light and in dark', async () => {
    for (const [width, colorScheme] of [[320, 'light'], [375, 'dark'], [768, 'light'], [1280, 'dark'], [1280, 'light']] as const) {
      const page = await open('/ops/', { viewport: { width, height: 800 }, colorScheme })
      await page.evaluate(`document.querySelectorAll('details').forEach((one) => { one.open = true })`)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
      expect(await page.locator('canvas').count()).toBe(4)
      await page.evaluate(`document.documentElement.style.fontSize = '200%'`)
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
      await page.close()
    }
  })

  it('can be told without eyes: headings in order, names on regions and charts, words beside colours', async () => {
    const page = await open()
    const headings = await page.evaluate(`[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.nodeName[1]))`) as number[]
    expect(headings[0]).toBe(1)
    headings.reduce((last, level) => (expect(level - last).toBeLessThanOrEqual(1), level))
    expect(await page.locator('h2').allInnerTexts()).toEqual(['Is it healthy?', 'What is served?', 'Has the world changed?', 'What went wrong lately?', 'What has changed in the service?'])
    for (const chart of await page.locator('.chart').all()) expect(await chart.getAttribute('aria-label')).toMatch(/^The last hour: /)
    expect(await page.evaluate(`[...document.querySelectorAll('button, summary, a')].filter((one) => one.textContent.trim() === '').length`)).toBe(0)
    expect(await page.evaluate(`[...document.querySelectorAll('table')].filter((one) => one.caption === null && !one.closest('dialog') && !one.matches('.u-legend')).length`)).toBe(0)
    expect(await page.evaluate(`[...document.querySelectorAll('.mark')].filter((one) => one.textContent.trim().length < 2 && !one.closest('li')).length`)).toBe(0)
    // Contrast of texts at least 4.5 : 1 (WCAG 2.2, 1.4.3), in both schemes.
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const least = await page.evaluate(`(() => {
        const parse = (text) => { const c = document.createElement('canvas').getContext('2d'); c.fillStyle = text; c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3) }
        const light = (rgb) => { const [r, g, b] = rgb.map((v) => { const s = v / 255; return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4 }); return 0.2126 * r + 0.7152 * g + 0.0722 * b }
        const ground = (one) => { for (let at = one; at; at = at.parentElement) { const color = getComputedStyle(at).backgroundColor; if (color !== 'rgba(0, 0, 0, 0)' && color !== 'transparent') return color } return 'white' }
        let least = 99
        for (const one of document.querySelectorAll('main *, header *')) {
          if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '') || one.closest('.u-legend')) continue
          const [a, b] = [light(parse(getComputedStyle(one).color)), light(parse(ground(one)))].sort((x, y) => y - x)
          least = Math.min(least, (a + 0.05) / (b + 0.05))
        }
        return least
      })()`)
      expect(least).toBeGreaterThanOrEqual(4.5)
    }
    await page.close()
  })

  it('says that the service is gone, and does not keep it from closing', async () => {
    const predict = predictor((x: number) => x, { name: 'short' })
    const own = dashboard({ predict }, { everyMs: 100 })
    const listener = createServer(nodeListener(own))
    await new Promise<void>((resolve) => void listener.listen(0, '127.0.0.1', resolve))
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/`)
    await page.getByText('Live, as of').waitFor()
    own.close()
    // Its event source comes back after 3 s.
    await new Promise<void>((resolve) => void listener.close(() => resolve()))
    await page.locator('#connection').filter({ hasText: /lost|does not answer/ }).waitFor()
    await page.close()
  }, 15_000)
})
