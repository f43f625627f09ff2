import { copyFile, mkdir, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { predictor } from 'outrigger'
import { csvFile, jsonlFile, parquetFile, scoreBatch, scoringJob, type PartQueue, type ScoringJob, type ScoringJobOptions } from 'outrigger/batch'
import { fakeClock } from 'outrigger/testing'
import { describe, expect, it } from 'vitest'
import { crashAt, meddlingFileSystem } from './_crashing-file-system.js'
import { temporaryFolder } from './_folder.js'
import { answer, killLines, type KillRow } from './_kill-rows.js'

type Kind = 'jsonl' | 'csv'
const fileOf = (kind: Kind, path: string) => (kind === 'csv' ? csvFile<object>(path) : jsonlFile<object>(path))
const result = ({ row, input, output }: { row: number; input: KillRow; output: number }): object => ({ row, id: input.id, output })

const jobIn = (folder: string, options: Partial<ScoringJobOptions<KillRow>> & { readonly kind?: Kind } = {}): ScoringJob => {
  const { kind = 'jsonl', ...rest } = options
  return scoringJob(answer, jsonlFile<KillRow>(join(folder, 'in.jsonl')), fileOf(kind, join(folder, 'out')), {
    name: 'job', directory: join(folder, 'parts'), rowsPerPart: 30, batchSize: 7, deadLetters: join(folder, 'dead.jsonl'), result, ...rest,
  })
}

/** A queue that only keeps what is in it. */
const heldQueue = (): PartQueue & { readonly parts: Map<string, number>; failed: boolean; retried: number } => {
  const queue = {
    parts: new Map<string, number>(),
    failed: false,
    retried: 0,
    addBulk: async (jobs: { data: { part: number }; opts: Record<string, unknown> }[]) => jobs.map(({ data, opts }) => {
      queue.parts.set(String(opts['jobId']), data.part)
      return { getState: async () => (queue.failed ? 'failed' : 'waiting'), retry: async () => { queue.retried += 1 } }
    }),
  }
  return queue
}
const work = (job: ScoringJob, part: number): Promise<unknown> => job.process({ data: { job: 'job', part } }, 'token', undefined)

/** A folder with the input, and what `scoreBatch` makes of it. */
const oracle = async (kind: Kind, rows = 200): Promise<{ readonly folder: string; readonly whole: [string, string] }> => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'in.jsonl'), killLines(rows))
  await scoreBatch(answer, jsonlFile<KillRow>(join(folder, 'in.jsonl')), fileOf(kind, join(folder, 'out')), { deadLetters: join(folder, 'dead.jsonl'), result })
  return { folder, whole: await outputOf(folder) }
}
const outputOf = async (folder: string): Promise<[string, string]> => [await readFile(join(folder, 'out'), 'utf8'), await readFile(join(folder, 'dead.jsonl'), 'utf8')]
const resetTo = async (folder: string, path: string): Promise<void> => {
  await rm(path, { recursive: true, force: true })
  await mkdir(path)
  await copyFile(join(folder, 'in.jsonl'), join(path, 'in.jsonl'))
  await utimes(join(path, 'in.jsonl'), 1_700_000_000, 1_700_000_000)
}
const refusal = { code: 'ERR_OUTRIGGER_JOB' }

describe('scoringJob', () => {
  it.each(['jsonl', 'csv'] as const)('writes what scoreBatch would have written, in whatever order and how often parts are done (%s)', async (kind) => {
    const { folder, whole } = await oracle(kind)
    const path = join(folder, 'again')
    await fc.assert(fc.asyncProperty(fc.shuffledSubarray([...Array(7).keys()], { minLength: 7 }), fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 5 }), fc.integer({ min: 1, max: 4 }), async (order, again, workers) => {
      await resetTo(folder, path)
      const queue = heldQueue()
      expect(await jobIn(path, { kind }).enqueue(queue)).toEqual({ parts: 7, done: 0 })
      expect([...queue.parts.values()].sort()).toEqual([0, 1, 2, 3, 4, 5, 6])
      const tasks = [...again, ...order]
      await Promise.all(Array.from({ length: workers }, async () => {
        const job = jobIn(path, { kind })
        for (let part = tasks.shift(); part !== undefined; part = tasks.shift()) await work(job, part)
      }))
      expect(await outputOf(path)).toEqual(whole)
      expect(await jobIn(path, { kind }).status()).toEqual({ parts: 7, done: 7, finished: true })
      expect((await readdir(join(path, 'parts'))).filter((name) => !/^(part-\d+|plan|finished)\.json$/.test(name))).toEqual([])
      expect((await readdir(path)).sort()).toEqual(['dead.jsonl', 'in.jsonl', 'out', 'parts'])
    }), { numRuns: 15, seed: 7 })
  }, 60_000)

  it('that crashes at any step on the file system is ended by whoever comes after', async () => {
    const { folder, whole } = await oracle('csv', 61)
    const path = join(folder, 'again')
    const run = async (step: (name: string) => void): Promise<void> => {
      const job = jobIn(path, { kind: 'csv', fileSystem: meddlingFileSystem({ step }) })
      const queue = heldQueue()
      await job.enqueue(queue)
      for (const part of queue.parts.values()) await work(job, part)
    }
    let steps = 0
    await resetTo(folder, path)
    await run(() => { steps += 1 })
    expect(steps).toBeGreaterThan(40)
    for (let failAt = 0; failAt < steps; failAt += 1) {
      await resetTo(folder, path)
      await run(crashAt(failAt)).catch(() => {})
      if ((await readdir(path)).includes('out')) expect([failAt, await readFile(join(path, 'out'), 'utf8')]).toEqual([failAt, whole[0]])
      await run(() => {})
      expect([failAt, await outputOf(path)]).toEqual([failAt, whole])
    }
  }, 60_000)

  it('lets an attempt that comes back late change nothing', async () => {
    const { folder, whole } = await oracle('jsonl')
    const path = join(folder, 'again')
    await resetTo(folder, path)
    let release = (): void => {}
    const blocked = new Promise<void>((resolve) => (release = resolve))
    let asked = 0
    let isStuck = (): void => {}
    const stuck = new Promise<void>((resolve) => (isStuck = resolve))
    // A model whose answers differ each time: what counts is one attempt's, whole.
    const slow = predictor(async (row: KillRow) => {
      asked += 1
      isStuck()
      await blocked
      await answer(row)
      return -asked
    }, { name: 'answer' })
    const late = scoringJob(slow, jsonlFile<KillRow>(join(path, 'in.jsonl')), jsonlFile<object>(join(path, 'out')), { name: 'job', directory: join(path, 'parts'), rowsPerPart: 30, deadLetters: join(path, 'dead.jsonl'), result })
    const job = jobIn(path)
    await job.enqueue(heldQueue())
    const coming = work(late, 3)
    await stuck
    for (let part = 0; part < 6; part += 1) await work(job, part)
    const claim = await readFile(join(path, 'parts/part-000003.json'), 'utf8')
    release()
    // It is told of the part as the first attempt made it, and leaves nothing of its own.
    expect(await coming).toEqual(JSON.parse(claim))
    expect(await readFile(join(path, 'parts/part-000003.json'), 'utf8')).toBe(claim)
    const { output, letters } = JSON.parse(claim) as { output: { file: string }; letters: { file: string } }
    expect((await readdir(join(path, 'parts'))).filter((name) => name.startsWith('part-000003')).sort()).toEqual(['part-000003.json', letters.file, output.file])
    await work(job, 6)
    expect(await outputOf(path)).toEqual(whole)
  })

  it('enqueues only what is not done, tries again what failed, and finishes when nothing is left', async () => {
    const { folder, whole } = await oracle('jsonl')
    const path = join(folder, 'again')
    await resetTo(folder, path)
    const job = jobIn(path)
    await job.enqueue(heldQueue())
    for (const part of [0, 2, 4]) await work(job, part)
    const queue = heldQueue()
    queue.failed = true
    expect(await job.enqueue(queue)).toEqual({ parts: 7, done: 3 })
    expect([[...queue.parts], queue.retried]).toEqual([[['job-1', 1], ['job-3', 3], ['job-5', 5], ['job-6', 6]], 4])
    await expect(job.finish()).rejects.toMatchObject({ ...refusal, missing: [1, 3, 5, 6] })
    for (const part of [1, 3, 5]) await work(job, part)
    // The last worker dies between its part and the output.
    await expect(work(jobIn(path, { fileSystem: meddlingFileSystem({ step: (step) => { if (step.endsWith('/out')) throw new Error('died') } }) }), 6)).rejects.toThrow('died')
    expect(await job.status()).toEqual({ parts: 7, done: 7, finished: false })
    expect(await job.enqueue(heldQueue())).toEqual({ parts: 7, done: 7 })
    expect(await outputOf(path)).toEqual(whole)
    expect(await job.finish()).toMatchObject({ parts: 7, rows: 200, model: 'answer' })
  })

  it('tells the queue of progress once a second, and goes on when it cannot', async () => {
    const folder = await temporaryFolder()
    const clock = fakeClock()
    const notices: string[] = []
    const predict = predictor(async (x: number) => { await clock.advance(300); return x }, { clock })
    predict.observe((event) => { if (event.type === 'notice') notices.push(event.message) }, { predictions: false })
    const job = scoringJob(predict, [...Array(10).keys()], jsonlFile(join(folder, 'out')), { name: 'job', directory: join(folder, 'parts'), batchSize: 1 })
    await job.enqueue(heldQueue())
    const told: { rows?: number }[] = []
    await job.process({ data: { job: 'job', part: 0 }, updateProgress: async (progress) => { told.push(progress); throw new Error('no Redis') } }, undefined, undefined)
    // Ten rows take three seconds.
    expect([told, notices.length]).toEqual([[4, 8].map(() => ({ rows: expect.any(Number) as number, failed: 0, of: 10 })), 2])
    expect(told[0]?.rows).toBeLessThan(told[1]?.rows as number)
  })

  it('works on an array, and writes Parquet', async () => {
    const folder = await temporaryFolder()
    const rows = Array.from({ length: 25 }, (_, index) => index)
    const out = parquetFile<{ row: number; output: number }>(join(folder, 'out.parquet'), { columns: { row: 'BIGINT', output: 'DOUBLE' } })
    const job = scoringJob((x: number) => x / 2, rows, out, { name: 'p', directory: join(folder, 'parts'), rowsPerPart: 10 })
    await job.enqueue({ addBulk: async (parts) => {
      await Promise.all(parts.map(({ data }) => job.process({ data }, undefined, undefined)))
      return []
    } })
    const read: unknown[] = []
    await scoreBatch((row: { row: number; output: number }) => row, out, read, { result: ({ output }) => output })
    expect(read).toEqual(rows.map((row) => ({ row, output: row / 2 })))
  })

  it('of no rows is finished at once', async () => {
    const folder = await temporaryFolder()
    const job = scoringJob((x: number) => x, [], jsonlFile(join(folder, 'out')), { name: 'none', directory: join(folder, 'parts') })
    expect(await job.enqueue(heldQueue())).toEqual({ parts: 0, done: 0 })
    expect(await readFile(join(folder, 'out'), 'utf8')).toBe('')
  })

  it('refuses another model, input, output or job in its directory, and an output that is there', async () => {
    const { folder } = await oracle('jsonl')
    const path = join(folder, 'again')
    await resetTo(folder, path)
    const job = jobIn(path)
    await expect(work(job, 0)).rejects.toMatchObject(refusal) // not planned yet
    await job.enqueue(heldQueue())
    const input = jsonlFile<KillRow>(join(path, 'in.jsonl'))
    const options = { name: 'job', directory: join(path, 'parts'), deadLetters: join(path, 'dead.jsonl') }
    const second = predictor(answer, { name: 'answer', version: '2' })
    await expect(work(scoringJob(second, input, jsonlFile(join(path, 'out')), options), 0)).rejects.toMatchObject({ ...refusal, part: 'model' })
    await expect(work(scoringJob(answer, input, jsonlFile(join(path, 'other')), options), 0)).rejects.toMatchObject({ ...refusal, part: 'output' })
    await expect(work(job, 99)).rejects.toMatchObject(refusal)
    await expect(job.process({ data: { job: 'another', part: 0 } }, undefined, undefined)).rejects.toMatchObject(refusal)
    await expect(scoringJob(answer, input, jsonlFile(join(path, 'out')), { ...options, name: 'third' }).enqueue(heldQueue())).rejects.toMatchObject({ ...refusal, part: 'name' })
    await writeFile(join(path, 'in.jsonl'), '{"id":"changed","x":1}\n')
    await expect(work(job, 0)).rejects.toMatchObject({ ...refusal, part: 'input' })
    await writeFile(join(path, 'taken'), 'precious')
    await expect(scoringJob(answer, input, jsonlFile(join(path, 'taken')), { name: 'job', directory: join(path, 'more') }).enqueue(heldQueue())).rejects.toMatchObject(refusal)
    expect(await readdir(path)).not.toContain('more')
  })

  it('never overwrites an output that appeared meanwhile', async () => {
    const { folder } = await oracle('jsonl')
    const path = join(folder, 'again')
    await resetTo(folder, path)
    const job = jobIn(path)
    await job.enqueue(heldQueue())
    await writeFile(join(path, 'out'), 'precious')
    for (let part = 0; part < 6; part += 1) await work(job, part)
    await expect(work(job, 6)).rejects.toMatchObject(refusal)
    expect(await readFile(join(path, 'out'), 'utf8')).toBe('precious')
  })

  it('refuses parts with other columns, and too many failures in all', async () => {
    const folder = await temporaryFolder()
    const run = async (name: string, job: ScoringJob): Promise<void> => {
      await job.enqueue(heldQueue())
      for (const part of [0, 1]) await job.process({ data: { job: name, part } }, undefined, undefined)
    }
    const columns = scoringJob((x: number) => x, [1, 2], csvFile<object>(join(folder, 'a')), { name: 'a', directory: join(folder, 'a.parts'), rowsPerPart: 1, result: ({ input }) => ({ [`c${input}`]: input }) })
    await expect(run('a', columns)).rejects.toMatchObject({ ...refusal, message: expect.stringContaining('columns') as string })
    const failing = scoringJob((x: number): number => { throw new Error(`no ${x}`) }, [1, 2], jsonlFile(join(folder, 'b')), { name: 'b', directory: join(folder, 'b.parts'), rowsPerPart: 1, maxFailures: 1, deadLetters: join(folder, 'b.dead') })
    await expect(run('b', failing)).rejects.toMatchObject({ ...refusal, failed: 2 })
    expect((await readdir(folder)).sort()).toEqual(['a.parts', 'b.parts'])
  })

  it('ends a part when its signal fires, and leaves nothing of it', async () => {
    const { folder } = await oracle('jsonl')
    const path = join(folder, 'again')
    await resetTo(folder, path)
    const controller = new AbortController()
    const job = scoringJob(() => { controller.abort(); return new Promise<number>(() => {}) }, jsonlFile<KillRow>(join(path, 'in.jsonl')), jsonlFile(join(path, 'out')), { name: 'job', directory: join(path, 'parts') })
    await job.enqueue(heldQueue())
    await expect(job.process({ data: { job: 'job', part: 0 } }, 'token', controller.signal)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(await readdir(join(path, 'parts'))).toEqual(['plan.json'])
    expect(job.process).toHaveLength(3)
  })

  it.each([
    ['name', { name: 'a:b' }],
    ['directory', { directory: '' }],
    ['rowsPerPart', { rowsPerPart: 0 }],
    ['attempts', { attempts: 0 }],
    ['batchSize', { batchSize: 0 }],
    ['rowsPerpart', { rowsPerpart: 1 }],
  ])('refuses a wrong %s', (_, options) => {
    expect(() => scoringJob(answer, [], jsonlFile('out'), { name: 'n', directory: 'd', ...options })).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })

  it('refuses a source that cannot be cut, and a sink that is no file', () => {
    const options = { name: 'n', directory: 'd' }
    expect(() => scoringJob((x: number) => x, new Set([1]), jsonlFile('out'), options)).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
    expect(() => scoringJob((x: number) => x, [1], () => {}, options)).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })
})
