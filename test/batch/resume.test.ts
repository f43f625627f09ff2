import { fork } from 'node:child_process'
import { appendFile, copyFile, mkdir, readFile, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { predictor, seededRandom } from 'outrigger'
import { csvFile, jsonlFile, scoreBatch, type ScoringSummary } from 'outrigger/batch'
import { fakeClock } from 'outrigger/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundled } from './_bundle.js'
import { crashAt, meddlingFileSystem, type Meddling } from './_crashing-file-system.js'
import { temporaryFolder } from './_folder.js'
import { answer, killLines, type KillRow } from './_kill-rows.js'

interface Run {
  readonly kind?: 'jsonl' | 'csv'
  readonly batchSize?: number
  readonly concurrency?: number
  readonly everyMs?: number
  readonly meddling?: Meddling
  readonly signal?: AbortSignal
  readonly onRows?: () => void
  readonly model?: typeof answer
}

const score = (folder: string, { kind = 'jsonl', batchSize = 8, concurrency = 2, everyMs = 0, meddling = {}, signal, onRows = () => {}, model = answer }: Run = {}): Promise<ScoringSummary> =>
  scoreBatch(model, jsonlFile<KillRow>(join(folder, 'in.jsonl')), kind === 'csv' ? csvFile<object>(join(folder, 'out')) : jsonlFile<object>(join(folder, 'out')), {
    batchSize,
    concurrency,
    deadLetters: join(folder, 'dead.jsonl'),
    checkpoint: { path: join(folder, 'checkpoint.json'), everyMs },
    result: ({ row, input, output }) => ({ row, id: input.id, output }),
    fileSystem: meddlingFileSystem(meddling),
    progressEveryMs: 0,
    onProgress: onRows,
    ...(signal === undefined ? {} : { signal }),
  })

const inputFolder = async (count: number): Promise<string> => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'in.jsonl'), killLines(count))
  return folder
}
const outputOf = async (folder: string): Promise<[string, string]> => [await readFile(join(folder, 'out'), 'utf8'), await readFile(join(folder, 'dead.jsonl'), 'utf8')]
const resetTo = async (folder: string, path: string): Promise<void> => {
  await rm(path, { recursive: true, force: true })
  await mkdir(path)
  await copyFile(join(folder, 'in.jsonl'), join(path, 'in.jsonl'))
  // The copy is the same input.
  await utimes(join(path, 'in.jsonl'), 1_700_000_000, 1_700_000_000)
}
const essence = ({ rows, ok, failed, sources }: ScoringSummary): object => ({ rows, ok, failed, sources })

describe('a job with a checkpoint', () => {
  it.each(['jsonl', 'csv'] as const)('that crashes at any step on the file system ends, resumed, with the output of one that did not (%s)', async (kind) => {
    const folder = await inputFolder(70)
    const summary = await score(folder, { kind })
    const whole = await outputOf(folder)
    const path = join(folder, 'again')
    let steps = 0
    await resetTo(folder, path)
    await score(path, { kind, meddling: { step: () => { steps += 1 } } })
    expect(steps).toBeGreaterThan(50)
    for (let failAt = 0; failAt < steps; failAt += 1) {
      await resetTo(folder, path)
      await expect(score(path, { kind, meddling: { step: crashAt(failAt) } })).rejects.toThrow('crashed')
      // Nothing has the name of the output unless it is whole.
      if ((await readdir(path)).includes('out')) expect([failAt, (await readFile(join(path, 'out'), 'utf8')) === whole[0]]).toEqual([failAt, true])
      const resumed = await score(path, { kind })
      expect([failAt, await outputOf(path), essence(resumed)]).toEqual([failAt, whole, essence(summary)])
      expect((await readdir(path)).sort()).toEqual(['checkpoint.json', 'dead.jsonl', 'in.jsonl', 'out', ...(await readdir(path)).filter((name) => name.startsWith('.tmp-'))].sort())
    }
  }, 60_000)

  it('that crashes again and again, with other batch sizes and reads of any length, gives exactly the oracle\'s output', async () => {
    const folder = await inputFolder(131)
    await score(folder, { batchSize: 1000 })
    const whole = await outputOf(folder)
    const path = join(folder, 'again')
    const run = fc.record({ failAt: fc.integer({ min: 0, max: 60 }), batchSize: fc.integer({ min: 1, max: 80 }), concurrency: fc.integer({ min: 1, max: 5 }), readBytes: fc.integer({ min: 40, max: 5000 }), everyMs: fc.constantFrom(0, 1e9) })
    await fc.assert(fc.asyncProperty(fc.array(run, { maxLength: 6 }), run, async (crashes, last) => {
      await resetTo(folder, path)
      for (const { failAt, readBytes, ...rest } of crashes) await score(path, { ...rest, meddling: { step: crashAt(failAt), readBytes } }).catch(() => {})
      await score(path, { batchSize: last.batchSize, concurrency: last.concurrency, meddling: { readBytes: last.readBytes } })
      expect(await outputOf(path)).toEqual(whole)
    }), { numRuns: 60, seed: 20261 })
  }, 60_000)

  it('has each row once also when the model answers otherwise the second time', async () => {
    const folder = await temporaryFolder()
    const rows = Array.from({ length: 40 }, (_, index) => index)
    const run = (model: (x: number) => number, failAt: number): Promise<ScoringSummary> =>
      scoreBatch(model, rows, jsonlFile(join(folder, 'out')), { batchSize: 10, deadLetters: join(folder, 'dead'), checkpoint: { path: join(folder, 'c'), everyMs: 1e9 }, fileSystem: meddlingFileSystem({ step: crashAt(failAt) }) })
    const model = { good: (x: number) => x * 1e9, bad: (x: number) => { if (x > 5) throw new Error('worse'); return x } }
    const named = { good: predictor(model.good, { name: 'm' }), bad: predictor(model.bad, { name: 'm' }) }
    let steps = 0
    // Three pages are written, none is in a checkpoint; what comes after is shorter.
    await expect(run(named.good as never, 12)).rejects.toThrow('crashed')
    expect((await readFile(join(folder, 'out.partial'), 'utf8')).length).toBeGreaterThan(500)
    await run(named.bad as never, Infinity)
    const of = async (name: string): Promise<{ row: number }[]> => (await readFile(join(folder, name), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as { row: number })
    for (const { row } of await of('out')) expect(row).toBe((steps += 1) - 1)
    for (const { row } of await of('dead')) expect(row).toBe((steps += 1) - 1)
    expect(steps).toBe(40)
  })

  it('flushes what is written before it says so, and writes the name of the output last', async () => {
    const folder = await inputFolder(100)
    const steps: string[] = []
    await score(folder, { meddling: { step: (step) => { steps.push(step.replace(`${folder}/`, '').replace(/\.tmp-.*/, 'temporary')) } } })
    const renames = steps.flatMap((step, index) => (step === 'rename checkpoint.json' ? [index] : []))
    expect(renames.length).toBeGreaterThan(5)
    for (const end of renames) {
      const before = steps.slice(0, end)
      for (const file of ['out.partial', 'dead.jsonl']) expect(before.lastIndexOf(`sync ${file}`)).toBeGreaterThanOrEqual(before.lastIndexOf(`write ${file}`))
      expect(before.lastIndexOf('sync temporary')).toBeGreaterThan(before.lastIndexOf('write temporary'))
    }
    expect(steps.indexOf('rename out')).toBeGreaterThan(renames.at(-1) as number)
  })

  it('that failed on a full disk within a page counts none of it', async () => {
    const folder = await inputFolder(200)
    await score(folder)
    const whole = await outputOf(folder)
    const path = join(folder, 'again')
    await resetTo(folder, path)
    // Only the dead letters fail; the output of the page is written by then, and saving would still work.
    let writes = 0
    const step = (name: string): void => {
      if (name.endsWith('dead.jsonl') && name.startsWith('write') && (writes += 1) === 3) throw new Error('ENOSPC')
    }
    await expect(score(path, { meddling: { step } })).rejects.toThrow('ENOSPC')
    await score(path)
    expect(await outputOf(path)).toEqual(whole)
  })

  it('that is aborted saves where it is, and goes on from there', async () => {
    const folder = await inputFolder(200)
    const controller = new AbortController()
    let pages = 0
    await expect(score(folder, { everyMs: 1e9, signal: controller.signal, onRows: () => { if ((pages += 1) === 5) controller.abort() } })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(await score(folder)).toMatchObject({ rows: 200, resumedAt: 40 })
    expect((await readFile(join(folder, 'out'), 'utf8')).split('\n').length + (await readFile(join(folder, 'dead.jsonl'), 'utf8')).split('\n').length - 2).toBe(200)
  })

  it('that had too many failures goes on when more are allowed', async () => {
    const folder = await temporaryFolder()
    const rows = Array.from({ length: 100 }, (_, index) => index)
    const run = (maxFailures: number): Promise<ScoringSummary> =>
      scoreBatch((x: number) => { if (x % 10 === 9) throw new Error('nine'); return x }, rows, jsonlFile(join(folder, 'out')), { batchSize: 10, maxFailures, deadLetters: join(folder, 'dead'), checkpoint: join(folder, 'checkpoint') })
    await expect(run(3)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB', failed: 4 })
    expect(await run(100)).toMatchObject({ rows: 100, failed: 10, resumedAt: 40 })
  })

  it('that is complete scores nothing again, and says what it did', async () => {
    const folder = await inputFolder(50)
    const first = await score(folder)
    const steps: string[] = []
    const again = await score(folder, { meddling: { step: (step) => void steps.push(step) } })
    expect([essence(again), again.resumedAt, steps]).toEqual([essence(first), 50, []])
  })

  it('refuses to be another job, and touches nothing then', async () => {
    const folder = await inputFolder(60)
    const path = join(folder, 'in.jsonl')
    await score(folder, { meddling: { step: crashAt(40) } }).catch(() => {})
    const before = await readFile(join(folder, 'out.partial'))
    const refusal = { code: 'ERR_OUTRIGGER_JOB' }
    const checkpoint = join(folder, 'checkpoint.json')
    const other = (options: object, model: unknown = answer, out = 'out'): Promise<unknown> =>
      scoreBatch(model as typeof answer, jsonlFile<KillRow>(path), jsonlFile<object>(join(folder, out)), { checkpoint, deadLetters: join(folder, 'dead.jsonl'), ...options })
    await expect(other({ name: 'second' })).rejects.toMatchObject({ ...refusal, part: 'name' })
    await expect(other({}, predictor(answer, { name: 'answer', version: '2' }))).rejects.toMatchObject({ ...refusal, part: 'model' })
    await expect(other({}, answer, 'elsewhere')).rejects.toMatchObject({ ...refusal, part: 'output' })
    await expect(other({ deadLetters: join(folder, 'others') })).rejects.toMatchObject({ ...refusal, part: 'deadLetters' })
    const lines = await readFile(path)
    await appendFile(path, '{"id":"new","x":1}\n')
    await expect(other({})).rejects.toMatchObject({ ...refusal, part: 'input' })
    await writeFile(path, lines)
    await utimes(path, 1, 1)
    await expect(other({})).rejects.toMatchObject({ ...refusal, part: 'input' })
    await writeFile(checkpoint, 'no checkpoint')
    await expect(other({})).rejects.toMatchObject(refusal)
    expect(await readFile(join(folder, 'out.partial'))).toEqual(before)
  })

  it('refuses a partial output that is shorter than it was, and an output that appeared meanwhile', async () => {
    const folder = await inputFolder(60)
    await score(folder, { meddling: { step: crashAt(40) } }).catch(() => {})
    await writeFile(join(folder, 'out'), 'of somebody else')
    await expect(score(folder)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
    expect(await readFile(join(folder, 'out'), 'utf8')).toBe('of somebody else')
    await rm(join(folder, 'out'))
    await truncate(join(folder, 'out.partial'), 10)
    await expect(score(folder)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
  })

  it.each([0, 1e9])('ends one of two runs of a job, before it writes into the output of the other (a checkpoint each %d ms)', async (everyMs) => {
    const folder = await inputFolder(400)
    const oracle = await inputFolder(400)
    await score(oracle)
    const clock = fakeClock()
    let second: Promise<unknown> | undefined
    // After its first page the first one is held up until the second has done some of its own.
    const slow = predictor(async (row: KillRow) => {
      if (second === undefined) return await answer(row)
      await second.catch(() => {})
      return (await answer(row)) + 0.123456
    }, { name: 'answer', clock })
    const first = score(folder, { model: slow as typeof answer, batchSize: 4, everyMs, onRows: () => {
      second ??= score(folder, { batchSize: 50 }).finally(() => clock.advance(1000))
    } })
    const [one] = await Promise.allSettled([first])
    const [two] = await Promise.allSettled([second])
    const ended = [one, two].filter((run) => run.status === 'rejected')
    expect(ended).toMatchObject([{ reason: { code: 'ERR_OUTRIGGER_JOB', message: expect.stringContaining('only one run') as string } }])
    const [[out, dead], [wholeOut, wholeDead]] = await Promise.all([outputOf(folder), outputOf(oracle)])
    if (one.status === 'rejected') expect([out, dead]).toEqual([wholeOut, wholeDead])
    else {
      // The first one was just writing a checkpoint when the second took the job over: the second ends, and no row of it is there.
      expect(everyMs).toBe(0)
      const idsOf = (text: string): unknown[] => text.trim().split('\n').map((line) => (JSON.parse(line) as { id: unknown }).id)
      expect([idsOf(out), dead]).toEqual([idsOf(wholeOut), wholeDead])
      expect(out.match(/123456/g)?.length).toBeGreaterThan(300)
    }
  })

  it.each([
    ['null instead of objects', { job: null, progress: null }],
    ['no places', { progress: { position: 3 } }],
    ['a place before the beginning', { output: -5 }],
  ])('refuses a checkpoint with %s by code', async (_, damage) => {
    const folder = await inputFolder(60)
    await score(folder, { meddling: { step: crashAt(40) } }).catch(() => {})
    const path = join(folder, 'checkpoint.json')
    await writeFile(path, JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...damage }))
    await expect(score(folder)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_JOB' })
  })

  it('hands a function the rows since the last checkpoint again, and an iterable is passed over', async () => {
    const folder = await temporaryFolder()
    const seen: number[] = []
    let fail = true
    const rows = function* (): Generator<number> {
      for (let row = 0; row < 50; row += 1) yield row
    }
    const run = (): Promise<ScoringSummary> =>
      scoreBatch((x: number) => x, rows(), (scored) => {
        if (fail && seen.length >= 20) throw new Error('gone')
        seen.push(...scored.map(({ row }) => row))
      }, { batchSize: 10, checkpoint: { path: join(folder, 'c'), everyMs: 0 } })
    await expect(run()).rejects.toThrow('gone')
    fail = false
    await run()
    expect(seen).toEqual(Array.from({ length: 50 }, (_, row) => row))
  })
})

/** More of them in the nightly run. */
const mostKills = Number(process.env['OUTRIGGER_KILLS'] ?? 10)

describe('a process that is killed', () => {
  let program: string
  beforeAll(async () => {
    program = await bundled('_score-child')
  })
  afterAll(async () => {
    await rm(program, { force: true })
  })

  interface Ended {
    readonly signal: string | null
    readonly code: number | null
    readonly summary?: object
    readonly steps: number
    readonly output: string
  }
  /** Runs the program until it ends; `onRows` may kill it. */
  const child = (args: readonly (string | number)[], onRows: (kill: () => void) => void = () => {}): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const running = fork(program, args.map(String), { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
      let output = ''
      let summary: object | undefined
      let steps = 0
      for (const stream of [running.stdout, running.stderr]) stream?.on('data', (text: Buffer) => (output += String(text)))
      const deadline = setTimeout(() => { running.kill('SIGKILL'); reject(new Error(`did not end: ${output}`)) }, 20_000)
      running.on('message', (message: { rows?: number; summary?: object; steps?: number }) => {
        if (message.rows !== undefined) onRows(() => running.kill('SIGKILL'))
        if (message.summary !== undefined) ({ summary } = message)
        steps = message.steps ?? steps
      })
      running.on('exit', (code, signal) => {
        clearTimeout(deadline)
        resolve({ signal, code, steps, output, ...(summary === undefined ? {} : { summary }) })
      })
    })

  it.each([['jsonl', 1], ['csv', 3]] as const)('by SIGKILL at many points of its work leaves what a resumed one makes whole, byte for byte (%s)', async (kind, concurrency) => {
    const random = seededRandom(`kill ${kind}`)
    const folder = await inputFolder(400)
    const whole = await child([folder, kind, 16, concurrency])
    expect([whole.code, whole.output]).toEqual([0, ''])
    const expected = await outputOf(folder)
    const path = join(folder, 'again')
    let kills = 0
    for (let round = 0; kills < mostKills; round += 1) {
      await resetTo(folder, path)
      for (;;) {
        // Half of the kills come from outside, at any moment after some pages; half before a step, with a torn write.
        const inside = random.integer(2) === 0
        const pages = 1 + random.integer(8)
        let seen = 0
        const ended = await child([path, kind, 16, concurrency, inside ? 5 + random.integer(60) : -1], (kill) => { if (!inside && (seen += 1) === pages) kill() })
        if (ended.signal === 'SIGKILL') {
          kills += 1
          continue
        }
        expect([ended.code, ended.output, ended.summary]).toEqual([0, '', whole.summary])
        break
      }
      expect([round, await outputOf(path)]).toEqual([round, expected])
    }
    expect(kills).toBeGreaterThanOrEqual(mostKills)
  }, 60_000)
})
