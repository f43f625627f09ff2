import { mkdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipe, type Observer } from 'outrigger'
import { capture, segmentSink, segmentSource, type StoredRecord } from 'outrigger/capture'
import { mapInput } from 'outrigger/compose'
import type { LabelledRecord } from 'outrigger/core'
import { replay, type ReplayReport } from 'outrigger/debug'
import { nodeListener } from 'outrigger/models'
import { alerts, objectives } from 'outrigger/observe'
import { declared } from 'outrigger/schema'
import { dashboard } from 'outrigger/serve'
import { epochMinute, monthStart } from './calendar.js'
import type { FlightClock } from './clock.js'
import { input, output, type Departure, type FlightService } from './service.js'

export interface InsideOptions {
  readonly service: FlightService
  readonly clock: FlightClock
  /** A folder for the records. */
  readonly path: string
}

/** One of a hundred answers is kept; of what is not the model's own, each. */
const KEPT = 0.01
const JUNE = (monthStart(6) + epochMinute) * 60_000

/** What looks inside of the service: records on disk, alerts, and the dashboard. */
export const seeInside = async ({ service, clock, path }: InsideOptions) => {
  const directory = join(path, 'records')
  await mkdir(directory)
  const kept = capture({ sink: segmentSink({ directory }), sampling: { rate: KEPT } })
  const told: string[] = []
  const watch = alerts({
    source: 'flight-delays',
    objectives: objectives([
      { kind: 'availability', objective: 0.999 },
      { kind: 'availability', name: 'model-answers', answersBy: 'model', objective: 0.99 },
      // Three of four are told right; some evenings are worse than others.
      { kind: 'quality', objective: 0.6, good: isRight as never },
    ]),
    sinks: [({ state, isRepeat, objective, at }) => void (isRepeat || told.push(`${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}  ${objective.name} ${state}`))],
    labels: { max: 30_000 },
    everyMs: Infinity,
    clock,
  })
  const records = segmentSource(directory)
  const page = dashboard({ 'flight delays': service.predict }, { title: 'Flight delays, 2001', alerts: watch, drift: { departures: service.drift }, rollouts: { release: service.release }, shadows: { rehearsal: service.rehearsal }, records, clock })

  return {
    kept,
    records,
    /** What the alerts said, with the minute. */
    told,
    watch,
    observers: [kept.observer, watch.observer] as readonly Observer[],
    label: (id: string, late: boolean, at: number): void => {
      watch.label(id, late, at)
      // In June somebody will ask of single flights; the labels of all five months would be most of what is kept.
      if (at >= JUNE) kept.label(id, late, at)
    },
    /** Asks for the kept answers of a version in [from, to) once more, of that version. */
    replay: async (version: string, from: number, to: number): Promise<ReplayReport> => {
      const again = pipe(service.champion, mapInput(({ features }: Departure) => Float32Array.from(features)), declared({ input, output }))
      const mine = (record: StoredRecord): boolean => record.kind === 'prediction' && record.source === 'model' && record.identity.version === version
      return await replay(records.read({ from, to, where: mine }), again, { tolerance: { absolute: 1e-6 } })
    },
    /** How many answers the kept ones stand for, by who gave them. */
    weighed: async (): Promise<Map<string, number>> => {
      const sums = new Map<string, number>()
      for await (const record of records.read({ kinds: ['prediction'] })) {
        if (record.kind === 'prediction') sums.set(record.source ?? 'nobody', (sums.get(record.source ?? 'nobody') ?? 0) + 1 / record.sample.probability)
      }
      return sums
    },
    /** Opens the page on the loopback. Resolves with its address. */
    open: async (port: number): Promise<string> => {
      const server = createServer(nodeListener(page))
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, '127.0.0.1', resolve)
      })
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    },
    close: async (): Promise<void> => {
      await kept.close()
      await watch.close()
    },
  }
}

/** Whether the likelier of both happened. */
const isRight = ({ record, label }: LabelledRecord<boolean>): boolean | undefined => {
  const late = record.output?.['late']
  return typeof late === 'number' ? late >= 0.5 === label.value : undefined
}

export type Inside = Awaited<ReturnType<typeof seeInside>>
