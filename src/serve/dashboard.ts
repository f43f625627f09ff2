import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { RecordSource, StoredRecord } from '../capture/stored-record.js'
import { systemClock, type Clock } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { functionOption, membersOption, numberOption, optionsObject, stringOption } from '../core/options.js'
import { isPredictor, type Predictor } from '../core/predictor.js'
import type { DriftHandle } from '../drift/drift-monitor.js'
import type { SlicedProfile } from '../drift/sliced-profile.js'
import type { HandlerRequest } from '../models/sources/store-handler.js'
import type { Alerts } from '../observe/slo/alerts.js'
import type { OutputComparison } from '../route/comparison/output-comparison.js'
import type { Rollout } from '../route/rollout/rollout.js'
import type { DashboardData, RolloutData, ShadowData } from './dashboard-data.js'
import { driftData } from './_drift-data.js'
import { LiveStream } from './_live-stream.js'
import { pageText } from './_page-file.js'
import { PredictorWatch } from './_predictor-watch.js'

// oxlint-disable-next-line no-explicit-any -- Predictors of any types; only what they tell is read.
type AnyPredictor = Predictor<any, any>

/** A monitor, and where there are any the counts of its segments. */
export interface DashboardDrift {
  readonly monitor: Pick<DriftHandle, 'state' | 'verdict' | 'live'>
  readonly segments?: SlicedProfile
}

/** Options of {@link dashboard}. What is a record has the names that the page shows. */
export interface DashboardOptions {
  /** @default 'outrigger' */
  readonly title?: string
  /** What `alerts()` of `outrigger/observe` watches. @default no objectives */
  readonly alerts?: Pick<Alerts, 'status'>
  readonly drift?: Readonly<Record<string, DashboardDrift['monitor'] | DashboardDrift>>
  readonly rollouts?: Readonly<Record<string, Pick<Rollout<never, unknown>, 'status' | 'text'>>>
  readonly shadows?: Readonly<Record<string, { readonly rate: number; readonly comparison: Pick<OutputComparison<never>, 'summary'> }>>
  /** Where predictions are looked up that are no longer here, by their id. */
  readonly records?: RecordSource
  /** Asked before every answer. `false` is answered with 401; or give the answer. What it throws fails the request. @default everybody may read: see docs/dashboard.md */
  readonly authorize?: (request: HandlerRequest) => boolean | Response | Promise<boolean | Response>
  /** How often open pages are told, in milliseconds. @default 2000 */
  readonly everyMs?: number
  /** How many predictions can be opened by their id. @default 1000 */
  readonly remember?: number
  /** How many pages may be open at once. @default 32 */
  readonly maxPages?: number
  /** The text of the page, where outrigger is bundled. @default the one in the package */
  readonly page?: string
  /** @default the machine's */
  readonly clock?: Clock
}

/** Answers requests for the page and its data. */
export interface Dashboard {
  (request: HandlerRequest): Promise<Response>
  /** What the page shows now. */
  data(): DashboardData
  /** Ends watching, and open pages. What is asked for after is answered with 503. */
  close(): void
}

const owner = 'a dashboard'
/** Verdicts and comparisons take time that the service needs: one a quarter of a minute is enough for people. */
const slowlyEveryMs = 15_000
/** Many requests share one look. */
const dataEveryMs = 500
const longestId = 200

/**
 * A page that tells how a service with models is doing, from top to bottom: is it healthy, what is served, has the world changed, what went wrong lately.
 *
 * A handler for GET requests, whatever path it is mounted at; for `node:http` and Express put it into `nodeListener`. The page is one file without any other
 * source, and shows masked records only. It is read-only, but whoever can read it sees what your records hold: pass `authorize`.
 *
 * Cost: about 1 µs for each record; 0.5 MB for each predictor, and 25 kB for each version and variant of the last hour; nothing is computed while no page is open.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`; a request rejects with it if the page is not beside the code
 * @example
 * ```ts
 * import { predictor } from 'outrigger'
 * import { dashboard } from 'outrigger/serve'
 * const predict = predictor((km: number) => km / 800, { name: 'hours' })
 * const page = dashboard({ predict })
 * await predict(400)
 * const answer = await page(new Request('http://localhost/ops/data.json'))
 * assert.equal(answer.headers.get('content-type'), 'application/json')
 * assert.equal(page.data().predictors[0]?.totals.rows, 1)
 * page.close()
 * ```
 */
export const dashboard = (predictors: Readonly<Record<string, AnyPredictor>> | readonly AnyPredictor[], options: DashboardOptions = {}): Dashboard => {
  optionsObject(owner, options, ['title', 'alerts', 'drift', 'rollouts', 'shadows', 'records', 'authorize', 'everyMs', 'remember', 'maxPages', 'page', 'clock'])
  const { alerts, drift = {}, rollouts = {}, shadows = {}, records, clock = systemClock } = options
  const title = stringOption(owner, 'title', options.title ?? 'outrigger')
  const everyMs = numberOption(owner, 'everyMs', options.everyMs ?? 2000, { min: 100 })
  const remember = numberOption(owner, 'remember', options.remember ?? 1000, { min: 0, integer: true })
  const maxPages = numberOption(owner, 'maxPages', options.maxPages ?? 32, { min: 1, integer: true })
  const authorize = functionOption(owner, 'authorize', options.authorize)
  if (records !== undefined) membersOption(owner, 'records', records, ['read'])
  const monitors = Object.entries(drift).map(([name, given]) => {
    const { monitor, segments } = 'monitor' in given ? given : { monitor: given, segments: undefined }
    return { name, monitor: membersOption(owner, `drift.${name}`, monitor, ['verdict', 'live']), segments }
  })
  for (const [name, one] of Object.entries(rollouts)) membersOption(owner, `rollouts.${name}`, one, ['text'])
  for (const [name, one] of Object.entries(shadows)) membersOption(owner, `shadows.${name}`, one?.comparison, ['summary'])
  const named = Array.isArray(predictors) ? (predictors as readonly AnyPredictor[]).map((one) => [one?.identity?.name, one] as const) : Object.entries(predictors ?? {})
  if (named.length === 0 || !named.every(([, one]) => isPredictor(one))) throw new InvalidOptionError(`Cannot create ${owner} as its predictors must be predictors, at least one: current value is of type ${typeof predictors}`)
  const startedAt = clock.wall()
  const watches = named.map(([name, one]) => new PredictorWatch(name as string, one as Predictor<never, unknown>, remember, clock))

  let slow: { readonly at: number; readonly parts: Map<string, unknown> } = { at: -Infinity, parts: new Map() }
  const slowly = <T>(name: string, read: () => T, at: number): T => {
    if (at - slow.at >= slowlyEveryMs || at < slow.at) slow = { at, parts: new Map() }
    if (!slow.parts.has(name)) slow.parts.set(name, read())
    return slow.parts.get(name) as T
  }

  const look = (): DashboardData => {
    const at = clock.wall()
    const failed: DashboardData['failed'][number][] = []
    const part = <T>(name: string, read: () => T): T[] => {
      try {
        return [read()]
      } catch (error) {
        // Its message may be of a function of the user's.
        failed.push({ part: name, error: nameOf(error) })
        return []
      }
    }
    return {
      v: 1,
      title,
      at,
      startedAt,
      predictors: watches.flatMap((watch) => part('predictor', () => watch.data(at))),
      objectives: alerts === undefined ? [] : part('alerts', () => alerts.status).flat(),
      drift: monitors.flatMap(({ name, monitor, segments }) => part(`drift ${name}`, () => slowly(`drift ${name}`, () => driftData(name, monitor, segments), at))),
      rollouts: Object.entries(rollouts).flatMap(([name, one]) => part(`rollout ${name}`, () => rolloutData(name, one))),
      shadows: Object.entries(shadows).flatMap(([name, one]) => part(`shadow ${name}`, () => slowly(`shadow ${name}`, () => shadowData(name, one), at))),
      failed,
    }
  }

  let latest: { readonly at: number; readonly text: string } | undefined
  const text = (): string => {
    const now = clock.now()
    if (latest === undefined || now - latest.at >= dataEveryMs) latest = { at: now, text: asJson(look()) }
    return latest.text
  }
  const live = new LiveStream({ everyMs, most: maxPages, clock, text })

  const find = async (id: string): Promise<StoredRecord | object | undefined> => {
    for (const watch of watches) {
      const record = watch.find(id)
      if (record !== undefined) return record
    }
    if (records === undefined) return undefined
    for await (const record of records.read({ ids: [id], kinds: ['prediction'] })) return record
    return undefined
  }

  let isClosed = false
  let page: Promise<Page> | undefined
  const answer = async (request: HandlerRequest): Promise<Response> => {
    // A page that is open would ask again on its connection, and so keep the server from closing. 204 tells an event source to stop.
    if (isClosed) return new URL(request.url).pathname.endsWith('/events') ? new Response(null, { status: 204, headers: { ...always, connection: 'close' } }) : plain(503, 'The dashboard is closed.', { connection: 'close' })
    if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'The dashboard can only be read.', { allow: 'GET, HEAD' })
    const allowed = authorize === undefined ? true : await authorize(request)
    // It may be the same one every time.
    if (allowed instanceof Response) return allowed.clone()
    if (allowed !== true) return plain(401, 'You may not read this.')
    const { pathname, searchParams } = new URL(request.url)
    switch (pathname.slice(pathname.lastIndexOf('/') + 1)) {
      case 'data.json':
        return json(text())
      case 'events': {
        const stream = request.method === 'HEAD' ? null : live.open()
        if (stream === undefined) return plain(503, `${maxPages} pages are open already.`, { 'retry-after': '30' })
        return new Response(stream, { headers: { ...always, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } })
      }
      case 'prediction': {
        const id = searchParams.get('id') ?? ''
        const record = id === '' || id.length > longestId ? undefined : await find(id)
        return record === undefined ? json('null', 404) : json(asJson(record))
      }
      default:
        page ??= preparePage(options.page)
        // One that could not be read may be there next time.
        page.catch(() => void (page = undefined))
        return pageResponse(await page, request)
    }
  }
  const handler = async (request: HandlerRequest): Promise<Response> => {
    const response = await answer(request)
    return request.method === 'HEAD' ? new Response(null, { status: response.status, headers: response.headers }) : response
  }
  return Object.assign(handler, {
    data: look,
    close: () => {
      isClosed = true
      live.close()
      for (const watch of watches) watch.close()
    },
  })
}

const always = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-resource-policy': 'same-origin' }

const plain = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response => new Response(`${text}\n`, { status, headers: { ...always, ...headers, 'content-type': 'text/plain; charset=utf-8' } })
const json = (text: string, status = 200): Response => new Response(text, { status, headers: { ...always, 'content-type': 'application/json' } })

/** JSON has no infinity: such numbers are texts. */
const asJson = (value: unknown): string => JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'number' && !Number.isFinite(inner) ? String(inner) : typeof inner === 'bigint' ? String(inner) : inner))

const nameOf = (error: unknown): string => {
  const { code, name } = Object(error) as { readonly code?: unknown; readonly name?: unknown }
  return String(code ?? name ?? typeof error)
}

interface Page {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly gzipped: Uint8Array<ArrayBuffer>
  readonly policy: string
}

/** Nothing but the page's own script and style runs or is loaded, and it talks to nobody but where it came from. */
const preparePage = async (given: string | undefined): Promise<Page> => {
  const text = given ?? (await pageText())
  const hashes = (tag: string): string => [...text.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))].map(([, inner]) => `'sha256-${createHash('sha256').update(inner as string).digest('base64')}'`).join(' ')
  return {
    bytes: new TextEncoder().encode(text),
    gzipped: new Uint8Array(gzipSync(text, { level: 9 })),
    policy: `default-src 'none'; script-src ${hashes('script')}; style-src ${hashes('style')}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  }
}

const pageResponse = ({ bytes, gzipped, policy }: Page, request: HandlerRequest): Response => {
  const isZipped = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
  return new Response(isZipped ? gzipped : bytes, {
    headers: { ...always, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, vary: 'accept-encoding', ...(isZipped ? { 'content-encoding': 'gzip' } : {}) },
  })
}

const rolloutData = (name: string, rollout: Pick<Rollout<never, unknown>, 'status' | 'text'>): RolloutData => {
  const { stage, step, weight, since, candidate, control, waits, held, end, verdict } = rollout.status
  const shown = (version: { readonly name: string; readonly version: string } | undefined): string | undefined => version && `${version.name}@${version.version}`
  return {
    name, stage, step, weight, since, waits, verdict,
    candidate: shown(candidate),
    control: shown(control),
    held: held && { by: held.by, reason: held.reason },
    end: end && { by: end.by, reason: end.reason, cause: end.cause, at: end.at },
    text: rollout.text(),
  }
}

const shadowData = (name: string, { rate, comparison }: NonNullable<DashboardOptions['shadows']>[string]): ShadowData => {
  const { rows, agreement, candidateFailed, examples } = comparison.summary()
  return { name, rate, rows, agreement, candidateFailed, worst: examples.slice(0, 20).map(({ id, part, size, primary, candidate }) => ({ id, part, size, primary, candidate })) }
}
