import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder, run, unsafe, widest } from './_kit.js'

let folder: Awaited<ReturnType<typeof makeFolder>>
beforeAll(async () => {
  folder = await makeFolder()
})
afterAll(async () => await folder.remove())
const replay = async (module: string, ...args: string[]) => await run('replay', folder.records, '--predictor', join(folder.path, module), ...args)

describe('outrigger replay', () => {
  it('ends with 0 if all answers are the same, 1 if one differs, 2 if none could be compared', async () => {
    const same = await replay('same.mjs')
    expect([same.status, same.out, same.err]).toEqual([0, '0 of 30 answers differ, bit for bit.\n  1 left out: it ended in an error\n', ''])
    const other = await replay('other.mjs')
    expect([other.status, other.out.split('\n')[0]]).toEqual([1, '9 of 30 answers differ, bit for bit.'])
    expect(widest(other.out)).toBeLessThanOrEqual(80)
    const none = await replay('same.mjs', '--version', '9')
    expect([none.status, none.out]).toEqual([2, 'Nothing could be compared of 0 predictions.\n'])
  })

  it('takes a tolerance, slices, a number of examples, a limit, failures, and the filters', async () => {
    expect((await replay('other.mjs', '--tolerance', '0.25')).status).toBe(0)
    expect((await replay('other.mjs', '--tolerance', 'absolute=0.2')).status).toBe(1)
    expect((await replay('other.mjs', '--tolerance', 'absolute=0.25,ulps=1')).status).toBe(0)
    expect((await replay('other.mjs', '--where', 'km<=1000')).status).toBe(0)
    expect((await replay('other.mjs', '--limit', '20')).out).toContain('0 of 20 answers differ')
    const report = JSON.parse((await replay('other.mjs', '--json', '--by', 'city, version', '--examples', '2')).out) as { counts: object; slices: { by: string }[]; examples: object[] }
    expect(report.counts).toMatchObject({ asked: 30, different: 9 })
    expect([...new Set(report.slices.map(({ by }) => by))]).toEqual(['city', 'version'])
    expect(report.examples).toHaveLength(2)
    expect((await replay('same.mjs', '--failures')).out).toBe('0 of 31 answers differ, bit for bit.\n')
    expect((await replay('other.mjs', '--failures')).out).toContain('recorded: ENOENT; now: an answer')
  })

  it('takes another export, and a CommonJS module', async () => {
    expect((await replay('other.mjs', '--export', 'named')).status).toBe(1)
    expect((await replay('common.cjs')).status).toBe(0)
  })

  it('lets no text of a caller do anything to the terminal', async () => {
    for (const args of [['--by', 'city'], ['--by', 'city', '--json']]) expect((await replay('other.mjs', '--where', 'km>0', '--tolerance', '0', '--failures', ...args)).out).not.toMatch(unsafe)
    expect((await replay('broken.mjs')).err).not.toMatch(unsafe)
  })

  it('says what it was told wrong, and the status 2', async () => {
    for (const [args, says] of [
      [['replay', folder.records], /say who is asked/],
      [['replay', folder.records, '--predictor', join(folder.path, 'none.mjs')], /must export a predictor/],
      [['replay', folder.records, '--predictor', join(folder.path, 'other.mjs'), '--export', 'nobody'], /must export a predictor/],
      [['replay', folder.records, '--predictor', join(folder.path, 'gone.mjs')], /gone\.mjs/],
      [['replay', folder.records, '--predictor', join(folder.path, 'broken.mjs')], /no such thing/],
      [['replay', folder.records, '--predictor', join(folder.path, 'same.mjs'), '--tolerance', 'much'], /--tolerance is a number/],
      [['replay', folder.records, '--predictor', join(folder.path, 'same.mjs'), '--tolerance', 'most=1'], /--tolerance is a number/],
      [['replay', folder.records, folder.records, '--predictor', join(folder.path, 'same.mjs')], /one place of records/],
      [['replay'], /say where the records are/],
    ] as const) {
      const { status, out, err } = await run(...args)
      expect([status, out, args], err).toEqual([2, '', args])
      expect(err).toMatch(says)
    }
  })
})

describe('outrigger explain', () => {
  it('names the first stage that differs, with the status 1', async () => {
    const explain = async (id: string, module: string, ...args: string[]) => await run('explain', folder.records, id, '--predictor', join(folder.path, module), ...args)
    const same = await explain('flight-29', 'same.mjs')
    expect([same.status, same.out]).toEqual([0, expect.stringContaining('Nothing differs.')])
    const other = await explain('flight-29', 'other.mjs')
    expect([other.status, other.out]).toEqual([1, expect.stringContaining('First difference: model.')])
    expect(JSON.parse((await explain('flight-29', 'other.mjs', '--json')).out)).toMatchObject({ kind: 'explanation', first: 'model' })
    expect((await explain('flight-29', 'other.mjs', '--tolerance', '0.5')).status).toBe(0)
    expect(await run('explain', folder.records, 'flight-29')).toMatchObject({ status: 2, out: expect.stringContaining('Nothing was checked beyond cache and schema.') })
    expect((await explain('flight-07', 'other.mjs')).out).not.toMatch(unsafe)
  })

  it('needs an id that is there', async () => {
    expect(await run('explain', folder.records)).toMatchObject({ status: 2, err: expect.stringContaining('the id of one prediction') })
    expect(await run('explain', folder.records, 'nobody')).toMatchObject({ status: 2, err: expect.stringContaining('must be among the records') })
  })
})
