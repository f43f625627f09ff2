import { createHash } from 'node:crypto'
import { copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from 'outrigger'
import { capture, functionSink, segmentSink, segmentSource, sweepSegments, type CapturedLine, type RecordFilter, type RecordSource, type SegmentSinkOptions, type StoredRecord } from 'outrigger/capture'
import { fakeClock, type FakeClock } from 'outrigger/testing'
import { nodeFileSystem, type FileSystem, type FileSystemHandle } from '../../src/store/file-system.js'
import { directories } from './_temporary.js'

const directory = directories()
const code = (name: string): unknown => expect.objectContaining({ code: `ERR_OUTRIGGER_${name}` })
const dayMs = 86_400_000
const hourMs = 3_600_000

/** Lines with these ids. */
const linesOf = async (ids: readonly string[], name = 'standard', at = 5): Promise<CapturedLine[]> => {
  const made: CapturedLine[] = []
  const one = capture({ sink: functionSink((lines) => void made.push(...lines)), classOf: () => name })
  for (const id of ids) one.label(id, `value of ${id}`, at)
  await one.close()
  return made
}
const all = async (source: RecordSource, filter?: RecordFilter): Promise<StoredRecord[]> => {
  const records: StoredRecord[] = []
  for await (const record of source.read(filter)) records.push(record)
  return records
}
const idsOf = async (path: string): Promise<string[]> => (await all(segmentSource(path))).map(({ id }) => id)
const sink = (path: string, clock: FakeClock, more: Partial<SegmentSinkOptions> = {}) => segmentSink({ directory: path, clock, sweepMs: 2 ** 31 - 1, ...more })
const endings = (path: string): string[] => readdirSync(path).map((file) => file.slice(file.lastIndexOf('.'))).sort()

describe('segmentSink', () => {
  it('seals with a footer: count, time range, schemas and the SHA-256 of all bytes before it', async () => {
    const path = directory()
    const clock = fakeClock()
    const one = sink(path, clock)
    await one.write([...await linesOf(['a'], 'standard', 9), ...await linesOf(['b', 'c'], 'standard', 3.5)])
    await one.close?.()
    const [file] = readdirSync(path)
    expect(file).toMatch(new RegExp(`^standard\\.${clock.wall()}\\.${clock.wall() + hourMs}\\.[0-9a-f-]{36}\\.jsonl$`))
    const text = readFileSync(join(path, file as string), 'utf8')
    const lines = text.trimEnd().split('\n')
    expect(JSON.parse(lines[0] as string)).toEqual({ kind: 'header', v: 1, class: 'standard', from: clock.wall() })
    const before = `${lines.slice(0, -1).join('\n')}\n`
    expect(JSON.parse(lines.at(-1) as string)).toEqual({ kind: 'footer', v: 1, class: 'standard', count: 3, from: 3.5, to: 9, schemas: [], sha256: createHash('sha256').update(before).digest('hex') })
  })

  it('seals at sealBytes, and at sealMs also when nothing comes any more', async () => {
    const path = directory()
    const clock = fakeClock()
    const one = sink(path, clock, { sealBytes: 1000, sealMs: 60_000 })
    const large = await linesOf(Array.from({ length: 30 }, (_, n) => `large-${n}`))
    await one.write(large)
    expect(endings(path)).toEqual(['.jsonl'])
    await one.write(await linesOf(['small']))
    expect(endings(path)).toEqual(['.jsonl', '.open'])
    await clock.advance(59_999)
    expect(endings(path)).toEqual(['.jsonl', '.open'])
    await clock.advance(2) // the second one was begun a millisecond later
    await one.write([])
    expect(endings(path)).toEqual(['.jsonl', '.jsonl'])
    expect(clock.holding).toBe(0)
    await one.close?.()
    expect(clock.pending).toBe(0)
  })

  it('is read again whatever the time, also by a clock that replays old traffic', async () => {
    for (const wallMs of [0, 999, Date.UTC(2001, 1, 1), Date.UTC(2200, 0, 1)]) {
      const path = directory()
      const one = sink(path, fakeClock({ wallMs }))
      await one.write(await linesOf(['a']))
      expect(await idsOf(path)).toEqual(['a'])
      await one.close?.()
      expect(await idsOf(path)).toEqual(['a'])
    }
  })

  it('has a line of segments for each class', async () => {
    const path = directory()
    const one = sink(path, fakeClock())
    await one.write([...await linesOf(['a', 'b'], 'short'), ...await linesOf(['c'], 'long')])
    await one.close?.()
    expect(readdirSync(path).map((file) => file.split('.')[0]).sort()).toEqual(['long', 'short'])
    expect(await segmentSource(path).verify()).toMatchObject({ sealed: 2, records: 3, damaged: [] })
  })

  it('goes on in a new segment after a failure, in which half a batch may have been written; nothing is there twice', async () => {
    const path = directory()
    const random = seededRandom('failing')
    let failures = 0
    let isOver = false
    const failing = (handle: FileSystemHandle): FileSystemHandle => ({
      read: (...given) => handle.read(...given), stat: () => handle.stat(), sync: () => handle.sync(), close: () => handle.close(),
      write: async (buffer, offset, length, position) => {
        if (!isOver && random.next() < 0.3) {
          failures += 1
          await handle.write(buffer, offset, Math.floor(length * random.next()), position)
          throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
        }
        return await handle.write(buffer, offset, length, position)
      },
    })
    const fileSystem: FileSystem = {
      ...nodeFileSystem,
      open: async (...given) => failing(await nodeFileSystem.open(...given)),
      // Also what clears away after a failure may fail.
      rename: async (...given) => {
        if (!isOver && random.next() < 0.3) throw Object.assign(new Error('no'), { code: 'EIO' })
        await nodeFileSystem.rename(...given)
      },
    }
    const clock = fakeClock()
    const one = sink(path, clock, { fileSystem, sealBytes: 3000 })
    one.listen?.(() => {})
    const kept: string[] = []
    for (let batch = 0; batch < 25; batch += 1) {
      const ids = Array.from({ length: 5 }, (_, n) => `${batch}-${n}`)
      const lines = [...await linesOf(ids.slice(0, 3)), ...await linesOf(ids.slice(3), 'other')]
      for (let attempt = 0; ; attempt += 1) {
        try {
          await one.write(lines)
          break
        } catch (error) {
          if (attempt > 50) throw error
        }
      }
      kept.push(...ids)
      expect((await idsOf(path)).sort()).toEqual([...kept].sort())
    }
    expect(failures).toBeGreaterThan(8)
    isOver = true
    await one.close?.()
    await clock.advance(2 * hourMs)
    await sweepSegments(path, { clock })
    expect((await idsOf(path)).sort()).toEqual([...kept].sort())
    expect(await segmentSource(path).verify()).toMatchObject({ open: 0, records: 125, torn: 0, damaged: [] })
  })

  it('a batch that was given up is not there, and the next one is whole', async () => {
    const path = directory()
    let isFull = true
    const fileSystem: FileSystem = {
      ...nodeFileSystem,
      open: async (...given) => {
        const handle = await nodeFileSystem.open(...given)
        return { read: (...from) => handle.read(...from), stat: () => handle.stat(), sync: () => handle.sync(), close: () => handle.close(), write: async (buffer, offset, length, position) => {
          if (!isFull) return await handle.write(buffer, offset, length, position)
          await handle.write(buffer, offset, length - 1, position)
          throw new Error('full')
        } }
      },
    }
    const one = sink(path, fakeClock(), { fileSystem })
    const lost = await linesOf(['a', 'b', 'c'])
    for (let attempt = 0; attempt < 3; attempt += 1) await expect(one.write(lost)).rejects.toThrow('full')
    isFull = false
    await one.write(await linesOf(['d']))
    expect(await idsOf(path)).toEqual(['d'])
    await one.close?.()
    expect(await idsOf(path)).toEqual(['d'])
    expect(endings(path)).toEqual(['.jsonl'])
  })

  it('does not touch a segment that others took for dead, as the process had been asleep', async () => {
    const path = directory()
    const clock = fakeClock()
    const asleep = sink(path, clock, { sealMs: 1000 })
    await asleep.write(await linesOf(['before']))
    const stem = readdirSync(path)[0]?.replace(/\.open$/, '') as string
    const awake = fakeClock({ wallMs: clock.wall() + 1000 + 60_001 })
    expect(await sweepSegments(path, { clock: awake })).toEqual({ sealed: [`${stem}.jsonl`], removed: [] })
    const sealed = readFileSync(join(path, `${stem}.jsonl`))
    // Its timers have not run while it slept.
    const wall = awake.wall()
    Object.assign(clock, { wall: () => wall })
    await asleep.write(await linesOf(['after']))
    await asleep.close?.()
    expect(readFileSync(join(path, `${stem}.jsonl`))).toEqual(sealed)
    expect(await idsOf(path)).toEqual(['before', 'after'])
    expect(endings(path)).toEqual(['.jsonl', '.jsonl'])
  })

  it('seals by itself what a dead process left, and removes what is past its retention', async () => {
    const path = directory()
    const clock = fakeClock()
    await sink(path, fakeClock()).write(await linesOf(['dead'])) // its time stands still
    await clock.advance(hourMs + 60_001)
    const one = sink(path, clock, { sweepMs: 1000, retention: { standard: 2 } })
    await one.write(await linesOf(['alive']))
    await one.close?.()
    expect(await idsOf(path)).toEqual(['dead', 'alive'])
    expect(endings(path)).toEqual(['.jsonl', '.jsonl'])
    await clock.advance(2 * dayMs)
    await one.write(await linesOf(['young']))
    await one.close?.()
    expect(await idsOf(path)).toEqual(['alive', 'young'])
  })

  it('tells what no batch failed of', async () => {
    const path = directory()
    const told: [string, unknown][] = []
    const error = Object.assign(new Error('no'), { code: 'EIO' })
    const one = segmentSink({ directory: path, clock: fakeClock(), fileSystem: { ...nodeFileSystem, link: async () => { throw error }, readdir: async () => { throw error } } })
    one.listen?.((...given) => void told.push(given))
    await one.write(await linesOf(['a']))
    await one.close?.()
    expect(told.sort()).toEqual([['A directory of segments could not be swept.', error], ['A segment could not be sealed; a sweep will.', error]])
    expect(await idsOf(path)).toEqual(['a'])
    expect(endings(path)).toEqual(['.cut'])
  })

  it('refuses with codes', () => {
    for (const bad of [{}, { directory: '' }, { directory: 'x', typo: 1 }, { directory: 'x', sync: 'now' }, { directory: 'x', sealBytes: 0 }, { directory: 'x', sealMs: Infinity }, { directory: 'x', retention: { 'No Name': 1 } }, { directory: 'x', retention: { standard: 0 } }, { directory: 'x', maxMs: -1 }]) {
      expect(() => segmentSink(bad as unknown as SegmentSinkOptions), JSON.stringify(bad)).toThrow(code('INVALID_OPTION'))
    }
    expect(() => segmentSource('')).toThrow(code('INVALID_OPTION'))
  })
})

describe('segmentSource', () => {
  const written = async (ids: readonly string[], isSealed: boolean): Promise<{ readonly path: string; readonly file: string }> => {
    const path = directory()
    const one = sink(path, fakeClock())
    await one.write(await linesOf(ids))
    if (isSealed) await one.close?.()
    return { path, file: join(path, readdirSync(path)[0] as string) }
  }

  it('gives the whole records and no other, wherever a segment is cut off', async () => {
    const ids = ['a', 'é', '😀']
    const { path, file } = await written(ids, false)
    const bytes = readFileSync(file)
    const ends = [...bytes.keys()].filter((index) => bytes[index] === 10).map((index) => index + 1)
    for (let length = 0; length <= bytes.length; length += 1) {
      writeFileSync(file, bytes.subarray(0, length))
      const source = segmentSource(path)
      const whole = ends.filter((end) => end <= length).length
      expect((await all(source)).map(({ id }) => id), String(length)).toEqual(ids.slice(0, Math.max(0, whole - 1)))
      expect(source.torn, String(length)).toBe(length === 0 || ends.includes(length) ? 0 : 1)
    }
  })

  it('never fails of damage, and `verify` finds any flipped bit of a sealed segment', async () => {
    const { path, file } = await written(['a', 'b', 'c', 'd'], true)
    const bytes = readFileSync(file)
    await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 0, max: 7 }), async (at, bit) => {
      const damaged = Buffer.from(bytes)
      damaged[at] = (damaged[at] as number) ^ (1 << bit)
      writeFileSync(file, damaged)
      const records = await all(segmentSource(path))
      expect(records.every(({ kind, id }) => typeof kind === 'string' && id !== undefined)).toBe(true)
      const { damaged: found } = await segmentSource(path).verify()
      // A bit of the footer that says something else than count and hash is none of the records.
      const footer = bytes.lastIndexOf('{')
      const tells = Buffer.from(bytes.subarray(footer)).toString()
      const isHeld = at < footer || (at >= footer + tells.indexOf('"count"') && at < footer + tells.indexOf(',"from"')) || at >= footer + tells.indexOf('"sha256"')
      if (isHeld) expect(found).toHaveLength(1)
    }), { numRuns: 150 })
  })

  it('finds what was cut off, put in or taken away of a sealed segment', async () => {
    const { path, file } = await written(['a', 'b', 'c', 'd'], true)
    const text = readFileSync(file, 'utf8')
    const lines = text.trimEnd().split('\n')
    const verdict = async (changed: string): Promise<readonly string[]> => {
      writeFileSync(file, changed)
      return (await segmentSource(path).verify()).damaged.map(({ reason }) => reason)
    }
    expect(await verdict(text)).toEqual([])
    expect(await verdict(text.slice(0, -1))).toEqual(['there is no footer'])
    expect(await verdict(lines.slice(0, -1).join('\n') + '\n')).toEqual(['there is no footer'])
    expect(await verdict([...lines.slice(0, 2), ...lines.slice(3), ''].join('\n'))).toEqual(['the SHA-256 is another one'])
    expect(await verdict(`${text}${lines[1] as string}\n`)).toEqual(['there are 5 records and not 4'])
    expect(await verdict(`${text}{}\n`)).toEqual(['something follows the footer'])
    expect(await verdict('')).toEqual(['there is no footer'])
  })

  it('filters by time, kind, id and question, and passes over files of others', async () => {
    const path = directory()
    const clock = fakeClock()
    const one = capture({ sink: sink(path, clock) })
    one.label('a', 1, 10)
    one.label('b', 2, 20)
    one.override({ id: 'a', actor: 'ann', reason: 'x', before: 1, after: 2, at: 30 })
    one.observer({ type: 'state', layer: 'l', subject: 's', from: 'f', to: 't', reason: 'r', at: 40 })
    await one.close()
    writeFileSync(join(path, 'notes.jsonl'), '{"kind":"label","id":"stranger","at":1}\n')
    mkdirSync(join(path, 'folder'))
    const ats = async (filter: RecordFilter): Promise<number[]> => (await all(segmentSource(path), filter)).map(({ at }) => at)
    expect(await ats({})).toEqual([10, 20, 30, 40])
    expect(await ats({ from: 20, to: 40 })).toEqual([20, 30])
    expect(await ats({ kinds: ['label'] })).toEqual([10, 20])
    expect(await ats({ ids: ['a'] })).toEqual([10, 30])
    expect(await ats({ where: (record) => record.kind === 'label' && record.value === 2 })).toEqual([20])
    // What was written an hour before has no younger change, but may have a label that says so.
    expect(await ats({ from: clock.wall() + 2 * hourMs, kinds: ['change'] })).toEqual([])
    expect(await ats({ from: 40, kinds: ['change'] })).toEqual([40])
  })

  it('follows a segment that is sealed between the listing and the reading, and leaves no file open', async () => {
    const { path, file } = await written(['a', 'b'], false)
    let open = 0
    const fileSystem: FileSystem = {
      ...nodeFileSystem,
      readdir: async (given) => {
        const files = await nodeFileSystem.readdir(given)
        if (files.some((name) => name.endsWith('.open'))) renameSync(file, file.replace('.open', '.jsonl'))
        return files
      },
      open: async (...given) => {
        const handle = await nodeFileSystem.open(...given)
        open += 1
        return { ...handle, read: (...from) => handle.read(...from), stat: () => handle.stat(), write: (...from) => handle.write(...from), sync: () => handle.sync(), close: async () => { open -= 1; await handle.close() } }
      },
    }
    expect((await all(segmentSource(path, { fileSystem }))).map(({ id }) => id)).toEqual(['a', 'b'])
    for await (const _ of segmentSource(path, { fileSystem }).read()) break
    expect(open).toBe(0)
  })

  it('counts a segment that has both its names for a moment once, and passes over one that is gone', async () => {
    const { path, file } = await written(['a'], false)
    linkSync(file, file.replace('.open', '.jsonl'))
    expect(await idsOf(path)).toEqual(['a'])
    symlinkSync('/nowhere', file.replace(/[0-9a-f-]{36}/, (id) => id.replace(/./g, '0')))
    await expect(idsOf(path)).rejects.toThrow(/ELOOP/)
  })

  it('reads lines longer than a page, and a damaged file without any end of line', async () => {
    const path = directory()
    const one = sink(path, fakeClock())
    const made: CapturedLine[] = []
    const long = capture({ sink: functionSink((lines) => void made.push(...lines)) })
    long.label('a', 'x'.repeat(3_000_000), 1)
    long.label('b', 'y', 1)
    await long.close()
    await one.write(made)
    await one.close?.()
    expect(await idsOf(path)).toEqual(['a', 'b'])
    const file = join(path, readdirSync(path)[0] as string)
    writeFileSync(file, Buffer.alloc(2_500_000, 120))
    const source = segmentSource(path)
    expect([await all(source), source.torn]).toEqual([[], 1])
  })

  it('gives back what JSON has no word for', async () => {
    const path = directory()
    const one = capture({ sink: sink(path, fakeClock()) })
    one.observer({ type: 'prediction', record: { v: 1, id: 'a', at: 1, identity: { name: 'm', version: '1' }, outcome: 'ok', source: 'model', durations: { totalMs: 1 }, variants: [{ split: 's', variant: 'v', propensity: Number.NaN }], marks: [] } as never })
    await one.close()
    expect(await all(segmentSource(path))).toMatchObject([{ variants: [{ propensity: Number.NaN }] }])
  })
})

describe('sweepSegments', () => {
  it('seals what is whole of a torn segment when its time is over, and not before', async () => {
    const path = directory()
    const clock = fakeClock()
    await sink(path, fakeClock()).write(await linesOf(['a', 'b', 'c'])) // whose time stands still
    const file = join(path, readdirSync(path)[0] as string)
    const bytes = readFileSync(file)
    writeFileSync(file, Buffer.concat([bytes.subarray(0, bytes.length - 10)]))
    await clock.advance(hourMs + 59_999)
    expect(await sweepSegments(path, { clock })).toEqual({ sealed: [], removed: [] })
    await clock.advance(2)
    const [one, two] = await Promise.all([sweepSegments(path, { clock }), sweepSegments(path, { clock })])
    expect(one.sealed.length + two.sealed.length).toBeGreaterThanOrEqual(1)
    expect(readdirSync(path).map((name) => name.replace(/^.*\./, ''))).toEqual(['jsonl'])
    expect(await idsOf(path)).toEqual(['a', 'b'])
    expect(await segmentSource(path).verify()).toEqual({ sealed: 1, open: 0, compacted: 0, records: 2, torn: 0, damaged: [] })
    expect(JSON.parse(readFileSync(join(path, readdirSync(path)[0] as string), 'utf8').trimEnd().split('\n').at(-1) as string)).toMatchObject({ count: 2, torn: expect.any(Number) as number })
  })

  it('removes what is past its retention, class by class, and nothing that might be younger', async () => {
    const path = directory()
    const clock = fakeClock()
    const one = sink(path, clock, { sealMs: 1000 })
    await one.write([...await linesOf(['a'], 'short'), ...await linesOf(['b'], 'long'), ...await linesOf(['c'], 'unnamed')])
    await clock.advance(1000)
    await one.write([])
    const retention = { short: 1, long: 30 }
    await clock.advance(dayMs)
    expect((await sweepSegments(path, { clock, retention })).removed).toEqual([])
    await clock.advance(1)
    expect((await sweepSegments(path, { clock, retention })).removed).toEqual([expect.stringMatching(/^short/)])
    await clock.advance(400 * dayMs)
    await sweepSegments(path, { clock, retention })
    expect(await idsOf(path)).toEqual(['c'])
  })

  it('clears what crashes left: nothing written, a first name beside the second, a temporary file of a day ago', async () => {
    const path = directory()
    const clock = fakeClock({ wallMs: Date.now() })
    await sink(path, fakeClock({ wallMs: clock.wall() })).write(await linesOf(['a']))
    const [file] = readdirSync(path) as [string]
    const other = file.replace(/[0-9a-f]{8}-/, '00000000-')
    writeFileSync(join(path, other), '')
    await clock.advance(2 * hourMs)
    expect(await sweepSegments(path, { clock })).toEqual({ sealed: [file.replace('.open', '.jsonl')], removed: [other] })
    copyFileSync(join(path, file.replace('.open', '.jsonl')), join(path, file))
    for (const [name, agoMs] of [['.tmp-young', dayMs - 10_000], ['.tmp-old', dayMs + 10_000]] as const) {
      writeFileSync(join(path, name), 'half')
      utimesSync(join(path, name), (clock.wall() - agoMs) / 1000, (clock.wall() - agoMs) / 1000)
    }
    await sweepSegments(path, { clock })
    expect(readdirSync(path).sort()).toEqual(['.tmp-young', file.replace('.open', '.jsonl')])
  })

  it('refuses with codes', async () => {
    await expect(sweepSegments('')).rejects.toThrow(code('INVALID_OPTION'))
    await expect(sweepSegments('x', { retention: { 'A B': 1 } })).rejects.toThrow(code('INVALID_OPTION'))
    await expect(sweepSegments('x', { typo: 1 } as never)).rejects.toThrow(code('INVALID_OPTION'))
  })
})
