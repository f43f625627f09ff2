import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder, run, unsafe, widest } from './_kit.js'

let folder: Awaited<ReturnType<typeof makeFolder>>
beforeAll(async () => {
  folder = await makeFolder()
})
afterAll(async () => await folder.remove())
const inspect = async (...args: string[]) => await run('inspect', folder.records, ...args)
const idsOf = async (...args: string[]): Promise<string[]> => (await inspect('--json', '--limit', '100', ...args)).out.trim().split('\n').filter((line) => line !== '').map((line) => (JSON.parse(line) as { id: string }).id)

describe('outrigger inspect', () => {
  it('lists the last ones that fit, within 80 columns, and says of how many', async () => {
    const { status, out } = await inspect()
    expect(status).toBe(0)
    expect(out.split('\n')[0]).toMatch(/^at \(UTC\) +id +version +by +ms +output ← input$/)
    expect(out).toContain('2001-02-03 12:29:00  flight-29            3  model    0  minutes 145, late true…\n')
    expect(out).toContain('flight-failed        3  ENOENT   0  km -1, city Boston\n')
    expect(out).toContain('the last 20 of 31 predictions\n')
    expect(out).not.toContain('flight-10')
    expect(widest(out)).toBeLessThanOrEqual(80)
    expect((await inspect('--limit', '3')).out).toContain('the last 3 of 31 predictions')
    expect((await inspect('--limit', '0')).out).toBe('31 predictions fit.\n')
    expect((await inspect('--version', '9')).out).toBe('No prediction fits.\n')
  })

  it('filters by time, outcome, source, version and comparisons of fields', async () => {
    expect(await idsOf('--since', '2001-02-03T12:28Z')).toEqual(['flight-28', 'flight-29', 'flight-failed'])
    expect(await idsOf('--until', '2001-02-03T12:02Z')).toEqual(['flight-00', 'flight-01'])
    expect(await idsOf('--since', '1d')).toEqual([])
    expect(await idsOf('--outcome', 'error')).toEqual(['flight-failed'])
    expect(await idsOf('--source', 'model')).toHaveLength(30)
    expect(await idsOf('--version', '4')).toHaveLength(10)
    expect(await idsOf('--variant', 'canary')).toEqual([])
    expect(await idsOf('--where', 'km>=1400')).toEqual(['flight-28', 'flight-29'])
    expect(await idsOf('--where', 'input.km < 100', '--where', 'city~YORK')).toEqual(['flight-00'])
    expect(await idsOf('--where', 'minutes=25')).toEqual(['flight-05'])
    expect(await idsOf('--where', 'output.late=true', '--where', 'km<=550')).toEqual(['flight-11'])
    expect(await idsOf('--where', 'city!=Boston', '--where', 'city!=New York')).toEqual(['flight-07'])
    expect(await idsOf('--where', 'minutes!=25', '--where', 'km<0')).toEqual(['flight-failed'])
    expect(await idsOf('--where', 'passenger=Ada')).toEqual([])
  })

  it('shows one, by its id or the beginning of it, with what was said of it later', async () => {
    const { status, out } = await inspect('flight-05')
    expect(status).toBe(0)
    for (const line of [/^id +flight-05$/m, /^at +2001-02-03 12:05:00\.000Z$/m, /^model +delay@3$/m, /^outcome +ok$/m, /^source +model$/m, /^input\.km +250$/m, /^input\.city +Boston$/m, /^output\.minutes +25$/m, /^kept by +head, probability 1$/m, /^label +27, 2001-02-04 00:00:00\.000Z$/m, /^override +ann: 25 → 30, storm, 2001-02-05/m]) expect(out).toMatch(line)
    expect(out).not.toContain('Ada')
    expect((await inspect('flight-f')).out).toContain('error: ENOENT')
    const several = await inspect('flight-1')
    expect([several.status, several.err]).toEqual([2, expect.stringContaining('several ids begin with "flight-1": flight-10, flight-11')])
    expect((await inspect('nobody')).err).toContain('no prediction has the id "nobody"')
    expect(JSON.parse((await inspect('flight-05', '--json')).out)).toMatchObject({ prediction: { id: 'flight-05', output: { minutes: 25 } }, label: { value: 27 }, overrides: [{ actor: 'ann' }] })
  })

  it('compares two: what differs, and how much does not', async () => {
    const { out } = await inspect('flight-04', 'flight-06')
    expect(out).toMatch(/^input\.km +200 +300$/m)
    expect(out).toMatch(/^model +delay@3 +delay@4$/m)
    expect(out).not.toContain('input.city')
    expect(out).toMatch(/\d+ other values are the same\n$/)
    const json = JSON.parse((await inspect('flight-04', 'flight-06', '--json')).out) as { different: { name: string; values: unknown[] }[]; same: string[] }
    expect(json.different.map(({ name }) => name)).toEqual(['id', 'at', 'model', 'input.km', 'output.minutes'])
    expect(json.same).toContain('input.city')
  })

  it('asks for one again', async () => {
    const same = await inspect('flight-05', '--replay', '--predictor', join(folder.path, 'same.mjs'))
    expect([same.status, same.out]).toEqual([0, '0 of 1 answers differ, bit for bit.\n'])
    const other = await inspect('flight-29', '--replay', '--predictor', join(folder.path, 'other.mjs'))
    expect([other.status, other.out]).toEqual([1, expect.stringContaining('minutes: 145 → 145.25 (by 0.25)')])
    expect((await inspect('flight-failed', '--replay', '--predictor', join(folder.path, 'same.mjs'))).status).toBe(0)
    expect((await inspect('--replay', '--predictor', join(folder.path, 'same.mjs'))).err).toContain('--replay needs the id')
  })

  it('answers SQL', async () => {
    const { status, out } = await inspect('--sql', "select version, count(*) as n, max((output ->> 'minutes')::double) as slowest from predictions group by 1 order by 1")
    expect([status, out]).toEqual([0, 'version   n  slowest\n      3  21      145\n      4  10      135\n'])
    expect((await inspect('--json', '--sql', 'select id, label, overrides from predictions where label is not null')).out).toBe('{"id":"flight-05","label":"27","overrides":1}\n')
    expect((await inspect('--sql', "select * from records where kind = 'change'")).out).toBe('No rows.\n')
    const wrong = await inspect('--sql', 'selec 1')
    expect([wrong.status, wrong.err]).toEqual([2, expect.stringContaining('selec')])
    expect((await inspect('--sql', 'select 1', '--version', '4')).err).toContain('--sql chooses by itself')
    expect((await run('inspect', join(folder.path, 'same.mjs'), '--sql', 'select 1')).err).toContain('--sql needs a directory of segments')
  })

  it('lets no text of a caller do anything to the terminal, in whatever it prints', async () => {
    const sql = ['--sql', "select input ->> 'city' as city from predictions order by id"]
    for (const args of [[], ['--limit', '100'], ['flight-07'], ['flight-07', 'flight-08'], ['--json', '--limit', '100'], ['flight-07', '--json'], sql, [...sql, '--json'], ['\u001B[2J'], ['--where', '\u001B[2J'], ['--since', '\u009B1m']]) {
      const { out, err } = await inspect(...args)
      expect(out + err, args.join(' ')).not.toMatch(unsafe)
    }
    // It is shown, and JSON parses to what it was.
    expect((await inspect('flight-07')).out).toContain('A\\u001b[2J\\u{9b}31m')
    expect(JSON.parse((await inspect('flight-07', '--json')).out)).toMatchObject({ prediction: { input: { city: 'A\u001B[2J\u009B31m\u202Ebad\u0007\ncity' } } })
  })

  it('reads a file of JSON lines as well, counts lines that are no records, and needs nothing to be whole', async () => {
    const [segment] = readdirSync(folder.records)
    const file = join(folder.path, 'one.jsonl')
    const lines = readFileSync(join(folder.records, segment!), 'utf8')
    const bare = JSON.stringify({ v: 1, id: 'bare', at: 1, identity: { name: 'x', version: '1' }, outcome: 'ok', source: 'model', attempts: 1, marks: [], variants: [], durations: { totalMs: 1 }, isShadow: false, links: [], checkpoints: [] })
    writeFileSync(file, `${lines}{"torn\nnull\n[]\n\n${bare}\n`)
    const { status, out, err } = await run('inspect', file)
    expect([status, err]).toEqual([0, 'outrigger inspect: 3 lines were no records\n'])
    expect(out).toContain('the last 20 of 32 predictions')
    expect((await run('inspect', file, 'bare')).out).toContain('id        bare')
  })

  const record = (id: string, over: object = {}): object => ({ v: 1, id, at: 1e12, identity: { name: 'x', version: '1' }, outcome: 'ok', source: 'model', attempts: 1, marks: [], variants: [], durations: { totalMs: 1 }, isShadow: false, links: [], checkpoints: [], input: { n: 1 }, output: { y: 2 }, ...over })
  const fileOf = (...lines: unknown[]): string => {
    const file = join(folder.path, 'made.jsonl')
    writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
    return file
  }

  it('takes a whole id before all that begin with it', async () => {
    const file = fileOf(...Array.from({ length: 12 }, (_, at) => record(`trip-1${at}`)), record('trip-1'))
    expect((await run('inspect', file, 'trip-1')).out).toContain('id        trip-1\n')
    expect((await run('inspect', file, 'trip-')).err).toContain('several ids begin with "trip-"')
  })

  it('compares all of two: long values to their ends, numbers to their last digits, and what is there several times', async () => {
    const long = Array.from({ length: 768 }, (_, at) => at / 7)
    const passed = (x: number) => ({ checkpoints: [{ name: 'm', side: 'output', value: { x } }, { name: 'm', side: 'output', value: { x: 3 } }] })
    const override = (id: string, actor: string) => ({ kind: 'override', v: 1, class: 'standard', id, at: 5, actor, reason: 'r', before: 1, after: 2 })
    const file = fileOf(
      record('a', { output: { e: long }, durations: { totalMs: 1.00001 }, ...passed(1) }), record('b', { output: { e: [...long.slice(0, -1), 12_345] }, durations: { totalMs: 1.00002 }, ...passed(2) }),
      override('a', 'ann'), override('a', 'zoe'), override('b', 'bob'), override('b', 'zoe'),
    )
    const { different, same } = JSON.parse((await run('inspect', file, 'a', 'b', '--json')).out) as { different: { name: string; values: [string, string] }[]; same: string[] }
    expect(different.map(({ name }) => name)).toEqual(['id', 'took', 'm (output).x', 'output.e', 'override'])
    expect(same).toEqual(expect.arrayContaining(['m (output).x 2', 'override 2']))
    expect(different[3]!.values.map((text) => text.slice(-7))).toEqual(['142857]', ',12345]'])
    const { out } = await run('inspect', file, 'a', 'b')
    expect(out).toMatch(/^output\.e +….*109\.5\S* +….*12345\]$/m)
    expect(widest(out)).toBeLessThanOrEqual(80)
    expect((await run('inspect', file, 'a')).out).toMatch(/^override 2 +zoe/m)
  })

  it('leaves out and counts, once, lines of another format and those that are not whole', async () => {
    const file = fileOf(record('fine', { marks: undefined, links: undefined, checkpoints: undefined }), record('v2', { v: 2 }), record('x', { at: undefined }), record('y', { identity: null }), record('z', { durations: undefined }), { kind: 'label', v: 1, id: 'fine' }, { kind: 'prediction', v: 1, id: 'bare', at: 1 }, { ...record('no'), id: 5 })
    const listed = await run('inspect', file)
    expect([listed.status, listed.out.split('\n').at(-2), listed.err]).toEqual([0, '1 predictions', 'outrigger inspect: 7 lines were no records\n'])
    // Read twice, and thrice.
    for (const ids of [['fine'], ['fine', 'fine']]) expect(await run('inspect', file, ...ids)).toMatchObject({ status: 0, err: 'outrigger inspect: 7 lines were no records\n' })
    expect(await run('replay', file, '--predictor', join(folder.path, 'same.mjs'))).toMatchObject({ err: 'outrigger replay: 7 lines were no records\n' })
    const torn = join(folder.path, 'torn')
    mkdirSync(torn)
    const [segment] = readdirSync(folder.records)
    writeFileSync(join(torn, segment!.replace('.jsonl', '.open')), `${readFileSync(join(folder.records, segment!), 'utf8')}{"torn\n`)
    expect((await run('inspect', torn, 'flight-05')).err).toBe('outrigger inspect: 1 lines were no records\n')
  })

  it('orders whole numbers beyond 2^53, and such as have no JSON, as numbers', async () => {
    const file = fileOf(...['1000', '600', '9007199254740993', 'Infinity', '-Infinity', 'NaN', 'text'].map((n) => record(n, { input: { n } })))
    const found = async (where: string) => (await run('inspect', file, '--json', '--where', where)).out.trim().split('\n').filter((line) => line !== '').map((line) => (JSON.parse(line) as { id: string }).id)
    expect(await found('n>700')).toEqual(['1000', '9007199254740993', 'Infinity', 'text'])
    expect(await found('n<=700.5')).toEqual(['600', '-Infinity'])
    expect(await found('n>9007199254740992')).toEqual(['9007199254740993', 'Infinity', 'text'])
    expect(await found('n>=text')).toEqual(['text'])
  })

  it('says what it was told wrong, with its help, and the status 2', async () => {
    for (const [args, says] of [
      [[join(folder.path, 'nothing')], /there is nothing at/],
      [[folder.records, '--outcom', 'x'], /--outcom/],
      [[folder.records, '--where', 'km'], /a comparison is a field/],
      [[folder.records, '--since', 'yesterday'], /a time is/],
      [[folder.records, '--limit', '-1'], /limit/],
      [[folder.records, 'flight-05', '--version', '4'], /an id chooses by itself/],
      [[folder.records, 'flight-05', '--limit', '4'], /an id chooses by itself/],
      [[folder.records, 'a', 'b', 'c'], /one id is shown, two are compared/],
      [[], /say where the records are/],
    ] as const) {
      const { status, out, err } = await run('inspect', ...args)
      expect([status, out]).toEqual([2, ''])
      expect(err).toMatch(says)
      expect(err).toContain('outrigger inspect <records>')
    }
  })
})
