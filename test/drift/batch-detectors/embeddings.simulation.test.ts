/** False alarms of the detectors of embeddings on rows that did not change, all with one seed, as in a service. */
import { describe, expect, test } from 'vitest'
import { domainClassifierDrift, mmdDrift, pcaReconstructionDrift } from '../../../src/drift/index.js'
import { embeddings, least, most, share } from './_settings.js'

describe.each([[200, 20], [200, 100]])('on unchanged embeddings, %i / %i', (n, m) => {
  test.each([
    ['mmdDrift', mmdDrift, 200, { permutations: 99 }],
    ['domainClassifierDrift', domainClassifierDrift, 200, { permutations: 99 }],
    ['pcaReconstructionDrift', pcaReconstructionDrift, 1000, {}],
  ] as const)('%s', (_, detect, runs, options) => {
    let drifted = 0
    const alarms = share(runs, (random) => {
      const { pValue, state } = detect(embeddings()(random, n), embeddings()(random, m), options as never)
      if (state === 'drifted') drifted += 1
      return pValue <= 0.05
    })
    expect(alarms).toBeLessThanOrEqual(most(runs))
    expect(alarms).toBeGreaterThanOrEqual(least(runs))
    expect(drifted / runs).toBeLessThanOrEqual(alarms)
  })
})
