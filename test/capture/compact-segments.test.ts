import { createHash } from 'node:crypto'
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pipe, predictor } from 'outrigger'
import { capture, compactSegments, queryRecords, scanRecords, segmentSink, segmentSource, sweepSegments, type StoredRecord } from 'outrigger/capture'
import { defineSchema } from 'outrigger/schema'
import { fakeClock } from 'outrigger/testing'
import { nodeFileSystem, type FileSystem } from '../../src/store/file-system.js'
import type { DuckDb } from '../../src/store/duckdb.js'
import { directories } from './_temporary.js'

const directory = directories()
const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const dayMs = 86_400_000

const predict = pipe(predictor((row: { km: number; note: string }) => {
  if (row.km < 0) throw new Error('no')
  return row.km / 2
}, { name: 'half', version: '7', clock: fakeClock(), input: defineSchema({ km: { type: 'number' }, note: { type: 'string' } }), output: defineSchema({ y: { type: 'number' } }) }))

/** Several sealed segments of two classes, with labels and an override, by a writer that stands at `clock`; `open` leaves the last one as it is. */
const filled = async (clock = fakeClock(), rows = 40, open = false): Promise<string> => {
  const path = directory()
  const inner = segmentSink({ directory: path, sealBytes: 4000, maxBytes: 1000, maxMs: 0, clock, sweepMs: 2 ** 31 - 1 })
  const captured = capture({ sink: open ? { ...inner, name: inner.name, write: inner.write.bind(inner), close: () => {} } : inner, sampling: { rate: 1 }, classOf: (kind, record) => (kind === 'prediction' && record?.outcome === 'error' ? 'failed' : 'standard') })
  const stop = predict.observe(captured.observer)
  for (let n = 0; n < rows; n += 1) await predict({ km: n % 10 === 9 ? -1 : n + 0.5, note: `"${n}" 'é' 😀\n` }, { id: `p${n}` }).catch(() => {})
  stop()
  for (let n = 0; n < rows; n += 4) captured.label(`p${n}`, n > 20, n)
  captured.override({ id: 'p4', actor: 'ann', reason: 'by eye', before: 1, after: 2, at: 1 })
  await captured.close()
  return path
}
const all = async (path: string): Promise<StoredRecord[]> => {
  const records: StoredRecord[] = []
  for await (const record of segmentSource(path).read()) records.push(record)
  return records.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}
const rowsOf = async (path: string, sql: string): Promise<Record<string, unknown>[]> => {
  const rows: Record<string, unknown>[] = []
  for await (const row of queryRecords(path, sql)) rows.push(row)
  return rows
}
const endings = (path: string): string[] => [...new Set(readdirSync(path).map((file) => file.slice(file.lastIndexOf('.'))))].sort()

describe('compactSegments', () => {
  it('puts sealed segments of a class into one Parquet file, which reads as they did', async () => {
    const path = await filled()
    const before = await all(path)
    const segments = readdirSync(path).length
    expect(segments).toBeGreaterThan(3)
    const { files, damaged } = await compactSegments(path)
    expect(files.map(({ file, records }) => [file.split('.')[0], records])).toEqual([['failed', 4], ['standard', 47]])
    expect(damaged).toEqual([])
    expect(files.reduce((sum, file) => sum + file.segments, 0)).toBe(segments)
    expect(endings(path)).toEqual(['.json', '.parquet'])
    expect(await all(path)).toEqual(before)
    expect(await segmentSource(path).verify()).toEqual({ sealed: 0, open: 0, compacted: segments, records: 51, torn: 0, damaged: [] })
    let labelled = 0
    for await (const { label, prediction } of scanRecords(segmentSource(path), { where: ({ outcome }) => outcome === 'ok' })) labelled += Number(label !== undefined && prediction.kind === 'prediction')
    expect(labelled).toBe(10)
    expect((await compactSegments(path)).files).toEqual([])
    const parquet = join(path, files[1]?.file as string)
    const bytes = readFileSync(parquet)
    bytes[100] = (bytes[100] as number) ^ 1
    writeFileSync(parquet, bytes)
    expect((await segmentSource(path).verify()).damaged).toEqual([{ file: files[1]?.file, reason: 'the SHA-256 is another one' }])
  })

  it('makes several files where one would be too large, and leaves alone what is open, young or damaged', async () => {
    const clock = fakeClock()
    const path = await filled(fakeClock(), 40, true) // whose time stands still
    const open = readdirSync(path).filter((file) => file.endsWith('.open'))
    expect(open).toHaveLength(2)
    expect((await compactSegments(path, { clock, olderThanMs: 1000 })).files).toEqual([])
    const sealed = readdirSync(path).filter((file) => file.endsWith('.jsonl')).sort()
    const bad = sealed[1] as string
    writeFileSync(join(path, bad), readFileSync(join(path, bad), 'utf8').replace('"km":', '"kn":'))
    await clock.advance(2 * dayMs)
    const { files, damaged } = await compactSegments(path, { clock, olderThanMs: 1000, maxBytes: 5000 })
    expect(files.length).toBeGreaterThan(1)
    expect(damaged).toEqual([{ file: bad, reason: 'the SHA-256 is another one' }])
    expect(readdirSync(path).filter((file) => !/\.parquet(\.json)?$/.test(file)).sort()).toEqual([...open, bad].sort())
  })

  it('counts once what was killed before it had removed its segments, and what ran twice at once', async () => {
    const path = await filled()
    const before = await all(path)
    const dying: FileSystem = { ...nodeFileSystem, unlink: async (file) => {
      if (file.endsWith('.jsonl')) throw new Error('killed')
      await nodeFileSystem.unlink(file)
    } }
    await expect(compactSegments(path, { fileSystem: dying })).rejects.toThrow('killed')
    expect(endings(path)).toEqual(['.json', '.jsonl', '.parquet'])
    expect(await all(path)).toEqual(before)
    const both = await Promise.all([compactSegments(path), compactSegments(path)])
    expect(both.flatMap(({ files }) => files)).toHaveLength(1)
    expect(await all(path)).toEqual(before)
    expect(await rowsOf(path, 'SELECT count(*) AS n FROM records')).toEqual([{ n: before.length }])
    await sweepSegments(path)
    expect(endings(path)).toEqual(['.json', '.parquet'])
    expect(await all(path)).toEqual(before)
  })

  it('leaves it to another one that was first, and has removed what was to be read', async () => {
    const path = await filled()
    const before = await all(path)
    const real = (await import('@duckdb/node-api')) as unknown as DuckDb
    let first: Promise<unknown> | undefined
    const create = async (where?: string) => {
      await (first ??= compactSegments(path))
      return await real.DuckDBInstance.create(where)
    }
    expect(await compactSegments(path, { duckdb: { DuckDBInstance: { create } } })).toEqual({ files: [], damaged: [] })
    expect(readdirSync(path).filter((file) => file.endsWith('.parquet'))).toHaveLength(2)
    expect(await all(path)).toEqual(before)
  })

  it('is followed by a reader that had listed the directory before', async () => {
    const path = await filled()
    const before = await all(path)
    let lists = 0
    const late: FileSystem = { ...nodeFileSystem, readdir: async (given) => {
      const files = await nodeFileSystem.readdir(given)
      // After what it lists first, and after the list of what stands for segments.
      if ((lists += 1) === 2) await compactSegments(path)
      return files
    } }
    const records: StoredRecord[] = []
    for await (const record of segmentSource(path, { fileSystem: late }).read()) records.push(record)
    expect(records.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))).toEqual(before)
  })

  it.each([Date.UTC(2026, 10, 27), Date.UTC(2001, 1, 1)])('goes when its retention is over, and what was never made to count goes after a day (at %i)', async (wallMs) => {
    const clock = fakeClock({ wallMs })
    const path = await filled(clock)
    await compactSegments(path)
    const parquet = readdirSync(path).find((file) => file.endsWith('.parquet')) as string
    const forsaken = parquet.replace(/[0-9a-f]{8}-/, '00000000-')
    copyFileSync(join(path, parquet), join(path, forsaken))
    expect(await segmentSource(path).verify()).toMatchObject({ records: 51 })
    await sweepSegments(path, { clock })
    expect(readdirSync(path)).toContain(forsaken)
    utimesSync(join(path, forsaken), clock.wall() / 1000 - 90_000, clock.wall() / 1000 - 90_000)
    await sweepSegments(path, { clock })
    expect(readdirSync(path)).not.toContain(forsaken)
    await clock.advance(dayMs + 3_601_000)
    await sweepSegments(path, { clock, retention: { standard: 1 } })
    expect((await all(path)).map((record) => record.class)).toEqual(['failed', 'failed', 'failed', 'failed'])
  })

  it('is not passed over where it is damaged: what it stands for would be missing, or there twice', async () => {
    const path = await filled()
    await compactSegments(path)
    const named = readdirSync(path).find((file) => file.endsWith('.parquet.json')) as string
    for (const text of ['', '{', 'null', '{"kind":"compaction"}', readFileSync(join(path, named), 'utf8').slice(0, 60)]) {
      writeFileSync(join(path, named), text)
      await expect(all(path)).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_STORE_FAILED', message: expect.stringContaining(named) }))
      await expect(compactSegments(path)).rejects.toThrow(code('STORE_FAILED'))
      await expect(sweepSegments(path)).rejects.toThrow(code('STORE_FAILED'))
      await expect(rowsOf(path, 'SELECT 1 FROM records')).rejects.toThrow(code('STORE_FAILED'))
    }
  })

  it('says what is missing where DuckDB is not there, and refuses with codes', async () => {
    const path = await filled()
    const broken = { DuckDBInstance: { create: async () => { throw Object.assign(new Error('x'), { code: 'ERR_OUTRIGGER_PEER_MISSING' }) } } }
    await expect(compactSegments(path, { duckdb: broken })).rejects.toThrow(code('PEER_MISSING'))
    // What is not compacted is read without it.
    let read = 0
    for await (const _ of segmentSource(path, { duckdb: broken }).read()) read += 1
    expect(read).toBe(51)
    for (const bad of [{ typo: 1 }, { maxBytes: 0 }, { olderThanMs: -1 }, { duckdb: {} }]) await expect(compactSegments(path, bad as never)).rejects.toThrow(code('INVALID_OPTION'))
    for (const asked of [rowsOf('/tmp/a[b]', 'SELECT 1'), compactSegments('/tmp/a*')]) await expect(asked).rejects.toThrow(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION', message: expect.stringMatching(/as `directory` must have none of the characters/) }))
    await expect(rowsOf('', 'SELECT 1')).rejects.toThrow(code('INVALID_OPTION'))
    await expect(rowsOf(path, '')).rejects.toThrow(code('INVALID_OPTION'))
  })
})

describe('what somebody else said', () => {
  const half = '\uD83D'
  const notes = async (path: string): Promise<unknown[][]> => (await rowsOf(path, `SELECT id, input ->> 'note' AS note FROM predictions ORDER BY at_ms, id`)).map(({ id, note }) => [id, note])
  const kept = async (use: (captured: ReturnType<typeof capture>) => unknown): Promise<string> => {
    const path = directory()
    const captured = capture({ sink: segmentSink({ directory: path, sweepMs: 2 ** 31 - 1 }) })
    const stop = predict.observe(captured.observer)
    await use(captured)
    stop()
    await captured.close()
    return path
  }

  it('is kept where half of a character is in it, in its place U+FFFD, and all else as it was', async () => {
    const texts = [`a${half}b`, `${half}\\${half}\\\\${half}`, '\\ud83d \\\\ud83d', '😀', '\uDE00😀\uDE00', '\0']
    const path = await kept(async (captured) => {
      for (const [at, note] of texts.entries()) await predict({ km: 1, note }, { id: `p${at}`, tags: { [`t${half}`]: half } })
      await predict({ km: 1, note: '' }, { id: `q${half}` })
      captured.label(`q${half}`, half, 5)
      captured.override({ id: 'p0', actor: half, reason: half, before: half, after: 1, at: 5 })
    })
    const wanted = texts.map((text, at) => [`p${at}`, text.replaceAll(/\p{Cs}/gu, '\uFFFD')])
    const read = (await all(path)).filter(({ kind }) => kind === 'prediction').map((record) => [record.id, (record as { input?: object }).input])
    expect(read).toHaveLength(7)
    for (const [id, note] of wanted) expect(read).toContainEqual([id, { km: 1, note }])
    expect((await notes(path)).filter(([id]) => id !== 'q\uFFFD').sort()).toEqual(wanted)
    expect(await rowsOf(path, `SELECT id, label FROM predictions WHERE label IS NOT NULL`)).toEqual([{ id: 'q\uFFFD', label: '"\uFFFD"' }])
    // It is found by the id that it was given.
    for await (const { label } of scanRecords(segmentSource(path), { ids: [`q${half}`] })) expect(label?.value).toBe('\uFFFD')
    expect((await compactSegments(path)).files).toHaveLength(1)
    expect((await notes(path)).filter(([id]) => id !== 'q\uFFFD').sort()).toEqual(wanted)
  })

  it('is compacted also out of files in which half a character was left', async () => {
    const path = await kept(async () => {
      for (const note of ['fine', 'HALF', 'also \\ud83d fine']) await predict({ km: 1, note }, { id: note })
    })
    const file = join(path, readdirSync(path)[0]!)
    const lines = readFileSync(file, 'utf8').replaceAll('HALF', String.raw`\ud83d`).split('\n')
    const body = `${lines.slice(0, -2).join('\n')}\n`
    const footer = { ...(JSON.parse(lines.at(-2)!) as object), sha256: createHash('sha256').update(body).digest('hex') }
    writeFileSync(file, `${body}${JSON.stringify(footer)}\n`)
    expect(await compactSegments(path)).toMatchObject({ damaged: [], files: [{ segments: 1, records: 3 }] })
    expect((await notes(path)).sort()).toEqual([['also \\ud83d fine', 'also \\ud83d fine'], ['fine', 'fine'], ['\uFFFD', '\uFFFD']])
  })

  it('has no time where it is beyond all times, and fails no question and no compaction', async () => {
    const path = await kept(async (captured) => {
      await predict({ km: 1, note: 'x' }, { id: 'p' })
      for (const at of [1.79e18, 1e300, -1e300, 9.1e15, 0]) captured.label('p', at, at)
    })
    const sql = `SELECT at_ms, time IS NULL AS is_none FROM records WHERE kind = 'label' ORDER BY at_ms`
    const wanted = [{ at_ms: -1e300, is_none: true }, { at_ms: 0, is_none: false }, { at_ms: 9.1e15, is_none: true }, { at_ms: 1.79e18, is_none: true }, { at_ms: 1e300, is_none: true }]
    expect(await rowsOf(path, sql)).toEqual(wanted)
    expect(await rowsOf(path, 'SELECT * FROM records')).toHaveLength(6)
    expect((await compactSegments(path)).files).toHaveLength(1)
    expect(await rowsOf(path, sql)).toEqual(wanted)
    expect(await rowsOf(path, 'SELECT label FROM predictions')).toEqual([{ label: '1e300' }])
  })

  it('counts in the form in which it was told last, of one time, by SQL as in a scan', async () => {
    const path = await kept(async (captured) => {
      await predict({ km: 1, note: 'x' }, { id: 'p' })
      for (const value of ['first', 'second', 'corrected']) captured.label('p', value, 1000)
      captured.label('p', 'older', 999)
    })
    const labels = async (): Promise<unknown[]> => {
      const scanned: unknown[] = []
      for await (const { label } of scanRecords(segmentSource(path))) scanned.push(label?.value)
      return [...scanned, ...(await rowsOf(path, 'SELECT label FROM predictions')).map(({ label }) => JSON.parse(label as string) as unknown)]
    }
    expect(await labels()).toEqual(['corrected', 'corrected'])
    await compactSegments(path)
    expect(await labels()).toEqual(['corrected', 'corrected'])
    // What comes after the compaction came later.
    const captured = capture({ sink: segmentSink({ directory: path, sweepMs: 2 ** 31 - 1 }) })
    captured.label('p', 'again', 1000)
    await captured.close()
    expect(await labels()).toEqual(['again', 'again'])
  })

  it('is left out and counted where it is of another format, which no reader knows', async () => {
    const path = await kept(async () => void (await predict({ km: 1, note: 'x' }, { id: 'p' })))
    const file = join(path, readdirSync(path)[0]!)
    const [header, record] = readFileSync(file, 'utf8').split('\n') as [string, string]
    const lines = [{ v: 2 }, { identity: null }, { durations: {} }, { at: null }, { variants: null }].map((wrong) => JSON.stringify({ ...(JSON.parse(record) as object), ...wrong }))
    writeFileSync(file.replace('.jsonl', '.open'), `${[header, ...lines, JSON.stringify({ kind: 'label', v: 2, id: 'p', at: 1 }), record].join('\n')}\n`)
    rmSync(file)
    const source = segmentSource(path)
    const ids: string[] = []
    for await (const { id } of source.read()) ids.push(id)
    expect([ids, source.torn]).toEqual([['p'], 6])
  })
})

describe('queryRecords', () => {
  const questions = [
    'SELECT kind, count(*) AS n FROM records GROUP BY kind ORDER BY kind',
    `SELECT model, version, outcome, count(*) AS n, sum(weight) AS w, avg(CAST(input ->> 'km' AS DOUBLE)) AS km FROM predictions GROUP BY ALL ORDER BY outcome`,
    `SELECT id, label, overrides, output FROM predictions WHERE label IS NOT NULL OR overrides > 0 ORDER BY id`,
    `SELECT id, actor, reason, before, after, year(time) AS y FROM records WHERE kind = 'override'`,
    `SELECT input ->> 'note' AS note FROM records WHERE id = 'p7' AND kind = 'prediction'`,
  ]

  it('answers the same of segments, of Parquet, and of both', async () => {
    const path = await filled()
    const of = async (): Promise<unknown[]> => await Promise.all(questions.map(async (sql) => await rowsOf(path, sql)))
    const segments = await of()
    expect(segments[0]).toEqual([{ kind: 'label', n: 10 }, { kind: 'override', n: 1 }, { kind: 'prediction', n: 40 }])
    expect(segments[1]).toMatchObject([{ model: 'half', version: '7', outcome: 'error', n: 4, w: 4 }, { outcome: 'ok', n: 36, w: 36 }])
    expect((segments[2] as unknown[])[1]).toEqual({ id: 'p12', label: 'false', overrides: 0, output: '{"y":6.25}' })
    expect(segments[3]).toEqual([{ id: 'p4', actor: 'ann', reason: 'by eye', before: '1', after: '2', y: 1970 }])
    expect(segments[4]).toEqual([{ note: `"7" 'é' 😀\n` }])
    await compactSegments(path)
    expect(await of()).toEqual(segments)
    const later = segmentSink({ directory: path, sweepMs: 2 ** 31 - 1 })
    const captured = capture({ sink: later })
    captured.label('p1', true, 99)
    await captured.close()
    expect(await rowsOf(path, `SELECT count(*) AS n FROM records WHERE kind = 'label'`)).toEqual([{ n: 11 }])
  })

  it('reads what is open, torn or cut off as the source does, and an empty directory', async () => {
    const path = await filled(fakeClock(), 40, true)
    const open = readdirSync(path).filter((file) => file.endsWith('.open'))
    const [first, second] = open.map((file) => join(path, file)) as [string, string]
    const bytes = readFileSync(first)
    writeFileSync(first, bytes.subarray(0, bytes.length - 5))
    const text = readFileSync(second, 'utf8')
    const half = text.indexOf('\n', text.indexOf('\n') + 1) + 1
    writeFileSync(second.replace('.open', `.${half}.cut`), text)
    const records = await all(path)
    expect(await rowsOf(path, 'SELECT id, kind FROM records ORDER BY id, kind')).toEqual(records.map(({ id, kind }) => ({ id, kind })).sort((a, b) => (a.id < b.id || (a.id === b.id && a.kind < b.kind) ? -1 : 1)))
    expect(await rowsOf(directory(), 'SELECT count(*) AS n FROM predictions')).toEqual([{ n: 0 }])
    await expect(rowsOf(path, 'SELECT nothing FROM records')).rejects.toThrow(/nothing/)
  })

  it('asks again where files are sealed, compacted or swept between its look and its reading', async () => {
    const path = await filled(fakeClock(), 40, true)
    const wanted = await rowsOf(path, questions[0] as string)
    const real = (await import('@duckdb/node-api')) as unknown as DuckDb
    const steps = [
      async () => {
        // As a writer would: under another name from one moment to the next.
        for (const file of readdirSync(path).filter((name) => name.endsWith('.open'))) renameSync(join(path, file), join(path, file.replace('.open', '.jsonl')))
      },
      async () => void (await compactSegments(path)),
    ]
    const create = async (where?: string) => {
      await steps.shift()?.()
      return await real.DuckDBInstance.create(where)
    }
    const rows: unknown[] = []
    for await (const row of queryRecords(path, questions[0] as string, { duckdb: { DuckDBInstance: { create } } })) rows.push(row)
    expect([rows, steps.length]).toEqual([wanted, 0])
  })
})
