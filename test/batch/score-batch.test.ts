import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { circuitBreaker, fallback, layer, pipe, predictor, type NeutralLayer, type StateEvent } from 'outrigger'
import { bulkhead } from 'outrigger/resilience'
import { csvFile, jsonlFile, scoreBatch, type DeadLetter, type ScoringProgress } from 'outrigger/batch'
import { cached } from 'outrigger/cache'
import { fakeClock, mockModel } from 'outrigger/testing'
import { describe, expect, it } from 'vitest'
import { meddlingFileSystem } from './_crashing-file-system.js'
import { temporaryFolder } from './_folder.js'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const double = (x: number): number => x * 2
const jobCode = { code: 'ERR_OUTRIGGER_JOB' }

describe('scoreBatch', () => {
  it.each([
    ['an array', () => numbers(10)],
    ['an iterable', () => new Set(numbers(10))],
    ['an async iterable', async function* (): AsyncGenerator<number> { yield* numbers(10) }],
  ])('scores %s in order, each row once, whatever the runs take', async (_, source) => {
    const results: { row: number; output: number }[] = []
    const waits = [5, 1, 4, 2, 3]
    const model = { predictBatch: async (rows: readonly number[]) => {
      for (let turn = 0; turn < (waits.shift() ?? 0); turn += 1) await Promise.resolve()
      return rows.map(double)
    } }
    const summary = await scoreBatch(model, source(), results, { batchSize: 3, concurrency: 3 })
    expect(results).toEqual(numbers(10).map((row) => ({ row, output: row * 2 })))
    expect(summary).toMatchObject({ rows: 10, ok: 10, failed: 0, resumedAt: 0, sources: { model: 10 }, identity: { name: 'model' } })
  })

  it('takes a batch of any size into an array', async () => {
    const results: unknown[] = []
    await scoreBatch({ predictBatch: (rows: readonly number[]) => [...rows] }, numbers(200_000), results, { batchSize: 200_000 })
    expect(results.length).toBe(200_000)
  }, 30_000)

  it('writes a dead letter of whatever was thrown, and goes on', async () => {
    for (const thrown of [Object.create(null), Symbol('s'), undefined, Object.assign(new Error('x'), { name: {}, message: 1n })]) {
      const deadLetters: DeadLetter[] = []
      const fail = (x: number): string => { if (x === 1) throw thrown; return 'k' }
      for (const options of [{ key: fail }, { result: ({ input }: { input: number }) => fail(input) }]) expect(await scoreBatch(double, numbers(3), [], { ...options, deadLetters } as never)).toMatchObject({ ok: 2, failed: 1 })
      for (const { error } of deadLetters) expect([typeof error.name, typeof error.message]).toEqual(['string', 'string'])
    }
  })

  it('ends by its own outcome at once although the model ignores its signal', async () => {
    const stuck = (): Promise<number> => new Promise(() => {})
    const controller = new AbortController()
    const aborted = scoreBatch(stuck, [1], [], { signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(await scoreBatch(stuck, [1], [], { timeoutMs: 1, deadLetters: [] })).toMatchObject({ ok: 0, failed: 1 })
  })

  it('has as many runs of `batchSize` rows in flight as `concurrency` says, and reads no more than a page ahead of them', async () => {
    let inFlight = 0
    let most = 0
    let read = 0
    let taken = 0
    let ahead = 0
    const sizes: number[] = []
    const model = { predictBatch: async (rows: readonly number[]) => {
      sizes.push(rows.length)
      most = Math.max(most, (inFlight += 1))
      await new Promise((resolve) => setImmediate(resolve))
      inFlight -= 1
      return rows.map(double)
    } }
    const source = function* (): Generator<number> {
      for (const row of numbers(95)) {
        read += 1
        ahead = Math.max(ahead, read - taken)
        yield row
      }
    }
    await scoreBatch(model, source(), async (rows) => {
      await new Promise((resolve) => setImmediate(resolve))
      taken += rows.length
    }, { batchSize: 10, concurrency: 4 })
    expect([most, taken, sizes]).toEqual([4, 95, [...new Array<number>(9).fill(10), 5]])
    expect(ahead).toBeLessThanOrEqual(10 * (4 + 3))
  })

  it('waits for a slow sink before it reads on', async () => {
    let read = 0
    const source = function* (): Generator<number> {
      for (;;) {
        read += 1
        yield read
      }
    }
    const controller = new AbortController()
    let release = (): void => {}
    let called = (): void => {}
    const isCalled = new Promise<void>((resolve) => (called = resolve))
    const job = scoreBatch(double, source(), () => {
      called()
      return new Promise<void>((resolve) => (release = resolve))
    }, { batchSize: 10, concurrency: 2, signal: controller.signal })
    await isCalled
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    expect(read).toBeLessThanOrEqual(10 * 5)
    controller.abort()
    release()
    await expect(job).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
  })

  it('gives calls the workload of a batch, a low priority, tags and the key of each row', async () => {
    const seen: unknown[] = []
    const spy: NeutralLayer = layer<never, never>('spy', {
      one: async (next, input, call) => await next(input, call),
      many: async (next, inputs, batch) => {
        for (const call of batch.rows) seen.push([call.isBatchWork, call.priority, call.key, call.options?.tags?.['job']])
        return await next(inputs, batch)
      },
    }) as never
    await scoreBatch(pipe(double, spy), [1, 2], [], { key: (x) => `unit ${x}`, tags: { job: 'nightly' } })
    expect(seen).toEqual([[true, -10, 'unit 1', 'nightly'], [true, -10, 'unit 2', 'nightly']])
  })

  it('binds failures to positions, and goes on', async () => {
    const results: { row: number; output: number }[] = []
    const deadLetters: DeadLetter<number>[] = []
    const model = (x: number): number => {
      if (x % 3 === 0) throw new RangeError(`no ${x}`)
      return x
    }
    const summary = await scoreBatch(model, numbers(7), results, { deadLetters, batchSize: 2 })
    expect(results.map(({ row }) => row)).toEqual([1, 2, 4, 5])
    expect(deadLetters).toEqual([0, 3, 6].map((row) => ({ row, input: row, error: { name: 'RangeError', message: `no ${row}` } })))
    expect(summary).toMatchObject({ rows: 7, ok: 4, failed: 3 })
  })

  it('fails a row alone whose key or result throws, or whose output is a stream', async () => {
    const deadLetters: DeadLetter<number>[] = []
    const results: number[] = []
    const stream = async function* (): AsyncGenerator<number> { yield 1 }
    const model = (x: number): number | AsyncGenerator<number> => (x === 2 ? stream() : x)
    await scoreBatch(model, numbers(4), results, {
      deadLetters,
      key: (x) => { if (x === 0) throw new Error('no key'); return String(x) },
      result: ({ input }) => { if (input === 1) throw new Error('no result'); return input },
    })
    expect([results, deadLetters.map(({ row, error }) => [row, error.message.slice(0, 20)])]).toEqual([[3], [[0, 'no key'], [1, 'no result'], [2, 'Cannot write the row']]])
  })

  it('stops at the first failure when there is no place for it, and at `maxFailures` and `maxFailureRate` where there is', async () => {
    const model = (x: number): number => {
      if (x % 2 === 1) throw new Error('odd')
      return x
    }
    await expect(scoreBatch(model, numbers(1000), [], { batchSize: 10 })).rejects.toMatchObject({ ...jobCode, failed: 5, rows: 10 })
    await expect(scoreBatch(model, numbers(1000), [], { batchSize: 10, deadLetters: [], maxFailures: 12 })).rejects.toMatchObject({ ...jobCode, failed: 15, rows: 30 })
    await expect(scoreBatch(model, numbers(1000), [], { batchSize: 10, deadLetters: [], maxFailureRate: 0.4 })).rejects.toMatchObject({ ...jobCode, failed: 50, rows: 100 })
    await expect(scoreBatch(model, numbers(1000), [], { batchSize: 10, deadLetters: [], maxFailureRate: 0.5 })).resolves.toMatchObject({ failed: 500 })
  })

  it('counts where answers came from', async () => {
    const model = (x: number): number => {
      if (x === 3) throw new Error('three')
      return x
    }
    const predict = pipe(predictor(model), cached(), fallback(() => 0))
    const { sources } = await scoreBatch(predict, [1, 2, 3], [])
    expect(sources).toEqual({ model: 2, fallback: 1 })
    expect((await scoreBatch(predict, [1, 2, 3, 4], [])).sources).toEqual({ cache: 2, fallback: 1, model: 1 })
    expect(await predict(9)).toBe(9) // borrowed, so that it is open still
  })

  it('waits while its rows are rejected, as long as the rejection says, instead of losing them', async () => {
    const clock = fakeClock()
    const model = mockModel<number, number>({ clock }).fails(new Error('down'))
    const breaker = circuitBreaker({ minimumCalls: 1, windowSize: 1, openForMs: 10_000, jitter: 0 })
    const predict = pipe(predictor(model, { clock }), breaker)
    await predict(0).catch(() => {})
    expect(breaker.state).toBe('open')
    model.answers(7)
    const results: { row: number; output: number }[] = []
    const job = scoreBatch(predict, [1, 2], results)
    await clock.advance(9_000)
    expect(results).toEqual([])
    await clock.advance(20_000)
    await job
    expect(results).toEqual([{ row: 0, output: 7 }, { row: 1, output: 7 }])
  })

  it('gives rows up that are rejected for longer than `waitMs`, and stops waiting when it is aborted', async () => {
    const clock = fakeClock()
    const predict = pipe(predictor((): Promise<number> => new Promise(() => {}), { clock }), bulkhead({ concurrency: 1, queue: 0 }))
    predict(0).catch(() => {})
    const deadLetters: DeadLetter<number>[] = []
    const job = scoreBatch(predict, [1], [], { deadLetters, waitMs: 1000 })
    await clock.advance(2000)
    expect(await job).toMatchObject({ failed: 1 })
    expect(deadLetters[0]?.error.code).toBe('ERR_OUTRIGGER_BULKHEAD_FULL')

    const controller = new AbortController()
    const waiting = scoreBatch(predict, [1], [], { signal: controller.signal, waitMs: Infinity })
    await clock.settle()
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
    expect(clock.pending).toBe(0)
  })

  it('limits a run by `timeoutMs`', async () => {
    const clock = fakeClock()
    const deadLetters: DeadLetter<number>[] = []
    const job = scoreBatch(predictor((): Promise<number> => new Promise(() => {}), { clock }), [1], [], { deadLetters, timeoutMs: 500 })
    await clock.advance(500)
    await job
    expect(deadLetters[0]?.error.code).toBe('ERR_OUTRIGGER_TIMEOUT')
    expect(clock.pending).toBe(0)
  })

  it('stops when the model is swapped meanwhile', async () => {
    let version = '1'
    const identity = (): object => ({ name: 'm', version, digest: undefined })
    const swapping = new Proxy(predictor(double), { get: (target, name) => (name === 'identity' ? identity() : (Reflect.get(target, name) as unknown)) })
    const job = scoreBatch(swapping, numbers(100), () => { version = '2' }, { batchSize: 10 })
    await expect(job).rejects.toMatchObject({ ...jobCode, message: expect.stringContaining('m@2') as string })
  })

  it('tells of progress as often as it may, at the end, and survives a listener that throws', async () => {
    const clock = fakeClock()
    const told: ScoringProgress[] = []
    const notices: string[] = []
    const predict = predictor({ predictBatch: async (rows: readonly number[]) => { await clock.advance(100); return rows.map(double) } }, { clock })
    predict.observe((event) => { if (event.type === 'notice') notices.push(event.message) }, { predictions: false })
    await scoreBatch(predict, numbers(40), [], { batchSize: 10, progressEveryMs: 200, onProgress: (progress) => {
      told.push(progress)
      throw new Error('listener')
    } })
    expect(told).toEqual([
      { rows: 20, failed: 0, rowsPerSecond: 100, etaMs: 200, bytes: undefined, fraction: 0.5, done: false },
      { rows: 40, failed: 0, rowsPerSecond: 100, etaMs: 0, bytes: undefined, fraction: 1, done: false },
      { rows: 40, failed: 0, rowsPerSecond: 100, etaMs: 0, bytes: undefined, fraction: 1, done: true },
    ])
    expect(notices).toHaveLength(3)
  })

  it('emits when it runs, is complete or stops', async () => {
    const predict = predictor((x: number) => { if (x > 0) throw new Error('bad'); return x })
    const states: StateEvent[] = []
    predict.observe((event) => { if (event.type === 'state') states.push(event) }, { predictions: false })
    await scoreBatch(predict, [0], [])
    await scoreBatch(predict, [1], []).catch(() => {})
    expect(states.map(({ layer: name, subject, from, to }) => [name, subject, from, to])).toEqual([
      ['score-batch', 'an array', 'idle', 'running'],
      ['score-batch', 'an array', 'running', 'complete'],
      ['score-batch', 'an array', 'idle', 'running'],
      ['score-batch', 'an array', 'running', 'stopped'],
    ])
  })

  it('aborts the runs in flight, also when the source is stuck, and leaves no listener', async () => {
    const controller = new AbortController()
    let added = 0
    const { signal } = controller
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => { added += 1; add(...args) }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => { added -= 1; remove(...args) }
    await scoreBatch(double, numbers(100), [], { batchSize: 10, signal })
    expect(added).toBe(0)
    const stuck = async function* (): AsyncGenerator<number> {
      yield 1
      await new Promise(() => {})
    }
    const job = scoreBatch(double, stuck(), [], { batchSize: 1, signal })
    setImmediate(() => controller.abort('enough'))
    await expect(job).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED', cause: 'enough' })
    await expect(scoreBatch(double, [1], [], { signal })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ABORTED' })
  })

  it('hands on what a source or a sink throws, and ends the source', async () => {
    let ended = false
    const source = function* (): Generator<number> {
      try {
        for (;;) yield 1
      } finally {
        ended = true
      }
    }
    await expect(scoreBatch(double, source(), () => { throw new Error('disk full') }, { batchSize: 2 })).rejects.toThrow('disk full')
    expect(ended).toBe(true)
    const failing = function* (): Generator<number> {
      yield 1
      throw new Error('source broke')
    }
    await expect(scoreBatch(double, failing(), [])).rejects.toThrow('source broke')
  })

  it('closes a model that it made a predictor of, and no other', async () => {
    let closed = 0
    const model = { predict: double, close: () => { closed += 1 } }
    await scoreBatch(model, [1], [])
    expect(closed).toBe(1)
    const predict = predictor(model)
    await scoreBatch(predict, [1], [])
    expect([closed, await predict(2)]).toEqual([1, 4])
  })

  it.each([
    ['batchSize', { batchSize: 0 }],
    ['concurrency', { concurrency: 1.5 }],
    ['maxFailures', { maxFailures: -1 }],
    ['maxFailureRate', { maxFailureRate: Number.NaN }],
    ['waitMs', { waitMs: -1 }],
    ['progressEveryMs', { progressEveryMs: Number.NaN }],
    ['checkpoint', { checkpoint: '' }],
    ['everyMs', { checkpoint: { path: 'x', everyMs: -1 } }],
    ['result', { result: 7 }],
    ['batchsize', { batchsize: 7 }],
    ['checkpoint', { checkpoint: 'x' }], // an array is gone after a crash
  ])('refuses a wrong %s', async (_, options) => {
    await expect(scoreBatch(double, [1], [] as never[], options as never)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })

  it('refuses what is no source and no sink', async () => {
    await expect(scoreBatch(double, 'text' as never, [])).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
    await expect(scoreBatch(double, [1], 'file.jsonl' as never)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_INVALID_OPTION' })
  })
})

describe('scoreBatch into files', () => {
  it('gives a file its name when it is whole, and leaves nothing of a job that failed', async () => {
    const folder = await temporaryFolder()
    const out = join(folder, 'out.jsonl')
    await expect(scoreBatch((x: number) => { if (x === 50) throw new Error('bad'); return x }, numbers(100), jsonlFile(out), { batchSize: 10 })).rejects.toMatchObject(jobCode)
    expect(await readdir(folder)).toEqual([])
    await scoreBatch(double, numbers(100), jsonlFile(out), { batchSize: 10, deadLetters: join(folder, 'dead.jsonl') })
    expect(await readdir(folder)).toEqual(['out.jsonl'])
    expect((await readFile(out, 'utf8')).trimEnd().split('\n')).toHaveLength(100)
  })

  it('never overwrites: an output, a dead-letter file, a partial file of somebody else', async () => {
    const folder = await temporaryFolder()
    const out = join(folder, 'out.jsonl')
    const run = (options: { checkpoint?: string; deadLetters?: string } = {}): Promise<unknown> => scoreBatch(double, [1], jsonlFile(out), options)
    await writeFile(out, 'precious')
    await expect(run()).rejects.toMatchObject(jobCode)
    await expect(run({ checkpoint: join(folder, 'c') })).rejects.toMatchObject(jobCode)
    expect([await readFile(out, 'utf8'), await readdir(folder)]).toEqual(['precious', ['out.jsonl']])
    const other = join(folder, 'other.jsonl')
    await writeFile(`${other}.partial`, 'precious')
    await expect(scoreBatch(double, [1], jsonlFile(other), { checkpoint: join(folder, 'c') })).rejects.toMatchObject(jobCode)
    await expect(scoreBatch(double, [1], jsonlFile(other), { deadLetters: out })).rejects.toMatchObject(jobCode)
    expect([await readFile(out, 'utf8'), await readFile(`${other}.partial`, 'utf8'), (await readdir(folder)).sort()]).toEqual(['precious', 'precious', ['other.jsonl.partial', 'out.jsonl']])
  })

  it('writes the dead letters of lines that cannot be read, and of rows that JSON cannot hold', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'in.jsonl'), Buffer.concat([Buffer.from('1\n{torn\n2\n\n'), Buffer.from([0xff, 0xfe, 10]), Buffer.from('3\n4')]))
    const model = (x: number): number => (x === 3 ? Number.NaN : x)
    await scoreBatch(model, jsonlFile<number>(join(folder, 'in.jsonl')), jsonlFile(join(folder, 'out.jsonl')), { deadLetters: join(folder, 'dead.jsonl') })
    expect(await readFile(join(folder, 'out.jsonl'), 'utf8')).toBe('{"row":0,"output":1}\n{"row":2,"output":2}\n{"row":5,"output":4}\n')
    const letters = (await readFile(join(folder, 'dead.jsonl'), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as DeadLetter)
    expect(letters.map(({ row, text, input, error }) => [row, text ?? input, error.code])).toEqual([
      [1, '{torn', 'ERR_OUTRIGGER_JOB'],
      [3, '��', 'ERR_OUTRIGGER_JOB'],
      [4, 3, 'ERR_OUTRIGGER_JOB'],
    ])
  })

  it('converts between JSONL and CSV', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'in.csv'), '\ufeffname,note\r\nAda,"a ""quote"", a\r\nbreak"\r\nBob,\r\n')
    type Row = { readonly name: string; readonly note: string }
    const model = (row: Row): number => row.note.length
    await scoreBatch(model, csvFile<Row>(join(folder, 'in.csv')), jsonlFile(join(folder, 'a.jsonl')), { result: ({ input, output }) => ({ ...input, output }) })
    expect(await readFile(join(folder, 'a.jsonl'), 'utf8')).toBe('{"name":"Ada","note":"a \\"quote\\", a\\r\\nbreak","output":19}\n{"name":"Bob","note":"","output":0}\n')
    await scoreBatch((row: Row) => row.name, jsonlFile<Row>(join(folder, 'a.jsonl')), csvFile<Row & { output: string }>(join(folder, 'b.csv')), { result: ({ input, output }) => ({ note: input.note, name: input.name, output }) })
    expect(await readFile(join(folder, 'b.csv'), 'utf8')).toBe('note,name,output\n"a ""quote"", a\r\nbreak",Ada,Ada\n"",Bob,Bob\n')
  })

  it('lets a file be looped over, and ends the loop at a row that cannot be read', async () => {
    const path = join(await temporaryFolder(), 'in.jsonl')
    await writeFile(path, '1\n2\nx\n3\n')
    const read: number[] = []
    const loop = async (): Promise<void> => {
      for await (const row of jsonlFile<number>(path)) read.push(row)
    }
    await expect(loop()).rejects.toMatchObject(jobCode)
    expect(read).toEqual([1, 2])
  })

  it('stops with a code when the input is missing, shrinks, or holds a quote that never closes', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'in.csv')
    await expect(scoreBatch(double, jsonlFile<number>(join(folder, 'none')), [])).rejects.toMatchObject({ code: 'ENOENT' })
    await writeFile(path, 'a,b\n1,2\n3,"4\n5,6\n')
    await expect(scoreBatch((row: object) => row, csvFile(path), [])).rejects.toMatchObject(jobCode)
    await writeFile(path, `${'1\n'.repeat(1000)}`)
    const shrinking = meddlingFileSystem({ readBytes: 100 })
    const { open } = shrinking
    const fileSystem = { ...shrinking, open: async (file: string, flags: string | number) => {
      const handle = await open(file, flags)
      return { ...handle, stat: async () => ({ size: (await stat(path)).size + 10, isFile: () => true }) }
    } }
    await expect(scoreBatch(double, jsonlFile<number>(path), [], { fileSystem })).rejects.toMatchObject(jobCode)
  })
})
