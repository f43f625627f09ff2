/** The same indices as river's own detectors, on 13 streams. */
import { expect, test } from 'vitest'
import { adwin, ddm, eddm, hddmA, hddmW, pageHinkley } from '../../../src/drift/index.js'
import type { StreamDetector } from '../../../src/drift/index.js'
import { golden, indicesOf, signalsOf, streamOf } from './_goldens.js'

const detectors = { adwin, pageHinkley, hddmA, hddmW, ddm, eddm } as Record<string, (options: object) => StreamDetector>
const streams = Object.fromEntries(Object.entries(golden.streams).map(([name, stream]) => [name, streamOf(stream)]))

test.each(Object.keys(detectors))('%s finds what river finds, where river finds it', (kind) => {
  const cases = golden.cases.filter(({ detector }) => detector === kind)
  expect(cases.length).toBeGreaterThan(10)
  expect(cases.filter(({ drifts }) => drifts.length > 0).length).toBeGreaterThan(4)
  for (const { options, stream, drifts, warnings } of cases) {
    const found = indicesOf(signalsOf(detectors[kind]!(options), streams[stream]!))
    expect(found, `${JSON.stringify(options)} on ${stream}`).toEqual({ drifts, warnings })
  }
})
