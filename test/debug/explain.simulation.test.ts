import { describe, expect, it } from 'vitest'
import { faults, trial, type Hardship, type Trial } from './_faulty-service.js'

const stages = Object.keys(faults) as (keyof typeof faults)[]

/** Trials over all stages in turn; gives those where something else was said, and how often each kind of fault was named. */
const trials = async (seeds: number, from: number, hardship: Hardship, wanted: (stage: string) => string): Promise<{ readonly wrong: Trial[]; readonly table: string }> => {
  const wrong: Trial[] = []
  const by = new Map<string, [right: number, of: number]>()
  for (let seed = 0; seed < seeds; seed += 1) {
    const stage = stages[seed % stages.length]!
    const one = await trial(from + seed, stage, hardship)
    const tally = by.get(stage) ?? [0, 0]
    const isRight = one.said === wanted(stage)
    by.set(stage, [tally[0] + (isRight ? 1 : 0), tally[1] + 1])
    if (!isRight) wrong.push(one)
  }
  return { wrong, table: [...by].map(([stage, [right, of]]) => `${stage} ${right}/${of}`).join(', ') }
}

const texts = (wrong: readonly Trial[]): string => wrong.map(({ stage, said, explanation }) => `${stage}: ${said}\n${explanation.text()}`).slice(0, 10).join('\n')

describe('explain', () => {
  it('names the stage of at least 95 % of 200 seeded faults', async () => {
    const { wrong, table } = await trials(200, 0, {}, (stage) => stage)
    console.log(`${200 - wrong.length} of 200 faults: ${table}`)
    expect(wrong.length, texts(wrong)).toBeLessThanOrEqual(10)
  })

  it('says of sound predictions that nothing differs, and has looked', async () => {
    const blamed: string[] = []
    const looked = new Map<string, number>()
    for (let seed = 1000; seed < 1200; seed += 1) {
      const { said, explanation } = await trial(seed, 'none')
      if (said !== 'none') blamed.push(`${seed}: ${said}\n${explanation.text()}`)
      for (const { stage, status } of explanation.stages) if (status === 'same') looked.set(stage, (looked.get(stage) ?? 0) + 1)
    }
    console.log(`${blamed.length} of 200 sound predictions blamed; looked at: ${[...looked].map(([stage, times]) => `${stage} ${times}`).join(', ')}`)
    expect(blamed).toEqual([])
    // A prediction that a cache answered asked no model, and the others no cache.
    for (const [stage, least] of Object.entries({ features: 200, schema: 200, route: 200, 'model bytes': 200, cache: 200, model: 100, 'batch companions': 100, 'post-processing': 200 })) expect(looked.get(stage), stage).toBeGreaterThanOrEqual(least)
  })
})

describe('explain with less to go by', () => {
  it('blames nobody for predictions that a fault elsewhere has not touched', async () => {
    // What a wrong route has not touched is right by chance only.
    const { wrong, table } = await trials(70, 2000, { isUntouched: true }, (stage) => (stage === 'route' ? 'route' : 'none'))
    console.log(`untouched: ${70 - wrong.length} of 70: ${table}`)
    expect(wrong.length, texts(wrong)).toBe(0)
  })

  it('names most stages where a third of the other records were not kept', async () => {
    const { wrong, table } = await trials(70, 3000, { kept: 2 / 3 }, (stage) => stage)
    console.log(`a third of the records missing: ${70 - wrong.length} of 70: ${table}`)
    expect(wrong.length, texts(wrong)).toBeLessThanOrEqual(7)
    // What it cannot tell from the model for want of rows, it says so.
    for (const { said, explanation } of wrong) expect([said, explanation.text().replaceAll(/\s+/g, ' ')]).toEqual(['model', expect.stringContaining('rows are among the records')])
  })

  it('cannot tell the model from what follows it without checkpoints, and says so', async () => {
    const { wrong, table } = await trials(70, 4000, { isBlind: true }, (stage) => stage)
    console.log(`without checkpoints: ${70 - wrong.length} of 70: ${table}`)
    expect(wrong.length, texts(wrong)).toBeLessThanOrEqual(30)
    for (const { stage, said, explanation } of wrong) {
      if (stage.startsWith('post-processing')) expect([said, explanation.text().replaceAll(/\s+/g, ' ')]).toEqual([expect.stringMatching(/^(?:model|cache)$/), expect.stringContaining('no checkpoint')])
      // What the output does not show is not seen.
      else expect(['none', 'model', 'cache']).toContain(said)
    }
  })
})
