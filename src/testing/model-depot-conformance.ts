/** What every depot of a model store must do, as checks that its author can run. */
import { createHash } from 'node:crypto'
import { inspect, isDeepStrictEqual } from 'node:util'
import { systemClock } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { optionsObject, requiredFunction } from '../core/options.js'
import type { BlobId, DepotEntry, ModelDepot } from '../models/store/depot.js'

/** The names of the checks, for `except`. */
export type ModelDepotCheckName =
  | 'an empty depot holds nothing'
  | 'what was created is read back'
  | 'a name is taken once, whoever races for it'
  | 'names are those of one level'
  | 'a listing has every level, with size and time'
  | 'more files than a page of any protocol are all listed'
  | 'a file is read in pieces, and no further than asked'
  | 'an error while reading is passed on, and the file is readable again'
  | 'a blob is written from chunks of any size'
  | 'a blob that is there stays as it is'
  | 'wrong chunks are refused and leave nothing'
  | 'chunks that fail are passed on and leave nothing'
  | 'what was removed is gone, and its name is free'
  | 'another depot on the same place sees the same'

/** One check. `run` rejects with a plain `Error` that says what is wrong. */
export interface ModelDepotCheck {
  readonly name: ModelDepotCheckName
  run(): Promise<void>
}

/** What {@link modelDepotConformance} needs to know about a depot. */
export interface ModelDepotConformanceOptions {
  /** How far the clock of the medium may be from this machine's, in milliseconds. @default 300_000 */
  readonly clockSkewMs?: number
  /** Checks that do not apply, each with the reason. */
  readonly except?: Partial<Readonly<Record<ModelDepotCheckName, string>>>
}

/**
 * The checks that every {@link ModelDepot} has to pass, whoever wrote it. They run against the real thing, with any test
 * runner; each in a place of its own.
 *
 * @param make - makes an empty place, and gives a function that opens a depot on it, as often as it is called
 * @throws `ERR_OUTRIGGER_INVALID_OPTION`
 *
 * @example
 * ```ts
 * import { memoryDepot, type ModelDepot } from 'outrigger/models'
 * import { modelDepotConformance } from 'outrigger/testing'
 * const make = (): (() => ModelDepot) => {
 *   const depot = memoryDepot()
 *   return () => depot
 * }
 * // With vitest, Jest or node:test: for (const { name, run } of modelDepotConformance(make)) test(name, run)
 * for (const { run } of modelDepotConformance(make)) await run()
 * ```
 */
export const modelDepotConformance = (make: () => (() => ModelDepot) | Promise<() => ModelDepot>, options: ModelDepotConformanceOptions = {}): ModelDepotCheck[] => {
  const owner = 'a depot conformance suite'
  optionsObject(owner, options, ['clockSkewMs', 'except'])
  requiredFunction(owner, 'make', make)
  const { clockSkewMs = 300_000, except = {} } = options
  for (const name of Object.keys(except)) {
    if (!Object.hasOwn(checks, name)) throw new InvalidOptionError(`Cannot create ${owner} as \`except\` must name its checks: current value is ${name}`)
  }
  return (Object.keys(checks) as ModelDepotCheckName[])
    .filter((name) => !Object.hasOwn(except, name))
    .map((name) => ({ name, run: async () => { await checks[name](await make(), clockSkewMs) } }))
}

type Check = (open: () => ModelDepot, clockSkewMs: number) => Promise<void>

const expectEqual = (actual: unknown, expected: unknown, what: string): void => {
  if (!isDeepStrictEqual(actual, expected)) throw new Error(`Expected ${what} to be ${inspect(expected)}, got ${inspect(actual)}`)
}
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const blobOf = (bytes: Uint8Array): BlobId => ({ sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length })
const keyOf = ({ sha256 }: BlobId): string => `blobs/sha256-${sha256}`

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += size) yield bytes.slice(offset, offset + size)
}

const readAll = async (depot: ModelDepot, key: string, piece = 65_536): Promise<Uint8Array | undefined> =>
  await depot.read(key, async (reader) => {
    const pieces: Uint8Array[] = []
    for (;;) {
      const into = new Uint8Array(piece)
      const count = await reader.read(into)
      if (count === 0) break
      pieces.push(into.subarray(0, count))
    }
    const all = new Uint8Array(Buffer.concat(pieces))
    expectEqual(reader.bytes, all.length, `the size that the reader of ${key} tells`)
    return all
  })

const listed = async (depot: ModelDepot, prefix: string): Promise<DepotEntry[]> => {
  const entries: DepotEntry[] = []
  for await (const entry of depot.list(prefix)) entries.push(entry)
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
}
const keysBelow = async (depot: ModelDepot, prefix: string): Promise<string[]> => (await listed(depot, prefix)).map(({ key }) => key)

const expectRefusal = async (promise: Promise<unknown>, is: (error: unknown) => boolean, what: string): Promise<void> => {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown ?? new Error('nothing was thrown'))
  if (error === undefined) throw new Error(`Expected ${what} to be refused`)
  if (!is(error)) throw new Error(`Expected ${what} to be refused otherwise, got ${inspect(error)}`)
}
const isCorrupt = (error: unknown): boolean => (error as { readonly code?: unknown }).code === 'ERR_OUTRIGGER_MODEL_CORRUPT'

const sample = new Uint8Array(300_000).map((_, index) => (index * 31) % 251)

const checks: Readonly<Record<ModelDepotCheckName, Check>> = {
  'an empty depot holds nothing': async (open) => {
    const depot = open()
    expectEqual(await depot.names('models/'), [], 'the names')
    expectEqual(await keysBelow(depot, ''), [], 'the listing')
    expectEqual(await readAll(depot, 'models/delay/versions/1/1.json'), undefined, 'a file')
    expectEqual(await readAll(depot, 'models'), undefined, 'a folder')
  },
  'what was created is read back': async (open) => {
    const depot = open()
    for (const [key, text] of [['models/a/1.json', '{"x":1}'], ['models/a/b/empty.json', ''], ['holds/é.json', '€']] as const) {
      for (const durable of [true, false]) {
        expectEqual(await depot.create(`${durable}/${key}`, bytesOf(text), { durable }), true, 'create of a free name')
        expectEqual(await readAll(depot, `${durable}/${key}`), bytesOf(text), key)
      }
    }
  },
  'a name is taken once, whoever races for it': async (open) => {
    for (const key of ['models/a/aliases/b/1.json', 'models/a/aliases/b/2.json', 'models/c/1.json']) {
      const outcomes = await Promise.all(Array.from({ length: 8 }, (_, racer) => open().create(key, bytesOf(`by ${racer}`))))
      expectEqual(outcomes.filter(Boolean).length, 1, `the number of winners of ${key}`)
      expectEqual(await readAll(open(), key), bytesOf(`by ${outcomes.indexOf(true)}`), 'what the winner wrote')
      expectEqual(await open().create(key, bytesOf('late')), false, 'create of a taken name')
    }
  },
  'names are those of one level': async (open) => {
    const depot = open()
    for (const key of ['m/a/1.json', 'm/a/2.json', 'm/ab/1.json', 'm/c.json', 'mm/d.json']) await depot.create(key, bytesOf('{}'))
    expectEqual((await depot.names('m/')).sort(), ['a', 'ab', 'c.json'], 'the names below m/')
    expectEqual((await depot.names('m/a/')).sort(), ['1.json', '2.json'], 'the names below m/a/')
    expectEqual(await depot.names('n/'), [], 'the names below n/')
  },
  'a listing has every level, with size and time': async (open, clockSkewMs) => {
    const depot = open()
    const before = systemClock.wall()
    await depot.create('m/a/1.json', bytesOf('one'))
    await depot.create('m/c.json', bytesOf('three'))
    await depot.create('mm/d.json', bytesOf('4'))
    const blob = blobOf(sample)
    await depot.writeBlob(keyOf(blob), blob, inChunks(sample, 100_000))
    const after = systemClock.wall()
    expectEqual((await listed(depot, 'm/')).map(({ key, bytes }) => [key, bytes]), [['m/a/1.json', 3], ['m/c.json', 5]], 'the listing of m/')
    const all = await listed(depot, '')
    expectEqual(all.map(({ key, bytes }) => [key, bytes]), [[keyOf(blob), sample.length], ['m/a/1.json', 3], ['m/c.json', 5], ['mm/d.json', 1]], 'the listing of everything')
    for (const { key, modifiedMs } of all) {
      if (!(modifiedMs > before - clockSkewMs - 1000 && modifiedMs < after + clockSkewMs + 1000)) throw new Error(`Expected ${key} to have been written now (${after}), got ${modifiedMs}`)
    }
  },
  'more files than a page of any protocol are all listed': async (open) => {
    const depot = open()
    const keys = Array.from({ length: 1100 }, (_, index) => `m/a/${String(index).padStart(4, '0')}.json`)
    for (let index = 0; index < keys.length; index += 50) await Promise.all(keys.slice(index, index + 50).map((key) => depot.create(key, bytesOf('{}'), { durable: false })))
    expectEqual(await keysBelow(depot, 'm/'), keys, 'the listing')
    expectEqual((await depot.names('m/a/')).length, keys.length, 'the number of names')
  },
  'a file is read in pieces, and no further than asked': async (open) => {
    const depot = open()
    const blob = blobOf(sample)
    await depot.writeBlob(keyOf(blob), blob, inChunks(sample, sample.length))
    for (const piece of [7777, 1_000_000]) expectEqual(blobOf(await readAll(depot, keyOf(blob), piece) as Uint8Array), blob, `the blob in pieces of ${piece}`)
    expectEqual(await depot.read(keyOf(blob), async (reader) => reader.bytes), sample.length, 'the size alone')
    const start = await depot.read(keyOf(blob), async (reader) => {
      const into = new Uint8Array(10)
      return into.subarray(0, await reader.read(into))
    })
    expectEqual(start, sample.slice(0, start?.length ?? 10), 'the beginning')
  },
  'an error while reading is passed on, and the file is readable again': async (open) => {
    const depot = open()
    await depot.create('m/1.json', bytesOf('one'))
    const mine = new Error('mine')
    await expectRefusal(depot.read('m/1.json', async () => { throw mine }), (error) => error === mine, 'the failing read')
    expectEqual(await readAll(depot, 'm/1.json'), bytesOf('one'), 'the file')
  },
  'a blob is written from chunks of any size': async (open) => {
    const depot = open()
    for (const [length, size] of [[0, 1], [1, 1], [1000, 1], [300_000, 65_537], [300_000, 300_000]] as const) {
      const bytes = sample.slice(0, length).reverse()
      await depot.writeBlob(keyOf(blobOf(bytes)), blobOf(bytes), inChunks(bytes, size))
      expectEqual(blobOf(await readAll(depot, keyOf(blobOf(bytes))) as Uint8Array), blobOf(bytes), `a blob of ${length} bytes`)
    }
  },
  'a blob that is there stays as it is': async (open) => {
    const blob = blobOf(sample)
    await Promise.all([1, 2, 3].map(() => open().writeBlob(keyOf(blob), blob, inChunks(sample, 50_000))))
    await open().writeBlob(keyOf(blob), blob, inChunks(sample, 70_000))
    expectEqual(blobOf(await readAll(open(), keyOf(blob)) as Uint8Array), blob, 'the blob')
    expectEqual(await keysBelow(open(), ''), [keyOf(blob)], 'the listing')
  },
  'wrong chunks are refused and leave nothing': async (open) => {
    const depot = open()
    const blob = blobOf(sample)
    const other = sample.slice()
    other[150_000] = (other[150_000] as number) ^ 1
    for (const [what, bytes] of [['too few bytes', sample.slice(1)], ['too many bytes', new Uint8Array([...sample, 0])], ['one other bit', other], ['no bytes', new Uint8Array()]] as const) {
      await expectRefusal(depot.writeBlob(keyOf(blob), blob, inChunks(bytes, 65_536)), isCorrupt, what)
      expectEqual(await keysBelow(depot, ''), [], `the listing after ${what}`)
    }
    await depot.writeBlob(keyOf(blob), blob, inChunks(sample, 65_536))
    expectEqual(blobOf(await readAll(depot, keyOf(blob)) as Uint8Array), blob, 'the blob, written rightly')
  },
  'chunks that fail are passed on and leave nothing': async (open) => {
    const depot = open()
    const blob = blobOf(sample)
    const mine = new Error('mine')
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield sample.slice(0, 100_000)
      throw mine
    }
    await expectRefusal(depot.writeBlob(keyOf(blob), blob, failing()), (error) => error === mine || (error as { readonly cause?: unknown }).cause === mine, 'the failing chunks')
    expectEqual(await keysBelow(depot, ''), [], 'the listing')
  },
  'what was removed is gone, and its name is free': async (open) => {
    const depot = open()
    await depot.create('m/1.json', bytesOf('one'))
    await depot.remove('m/1.json')
    await depot.remove('m/1.json')
    await depot.remove('never/there.json')
    expectEqual([await readAll(depot, 'm/1.json'), await keysBelow(depot, '')], [undefined, []], 'the file and the listing')
    expectEqual(await depot.create('m/1.json', bytesOf('two')), true, 'create of the free name')
    expectEqual(await readAll(depot, 'm/1.json'), bytesOf('two'), 'the new file')
  },
  'another depot on the same place sees the same': async (open) => {
    const [one, two] = [open(), open()]
    await one.create('m/1.json', bytesOf('one'))
    expectEqual(await readAll(two, 'm/1.json'), bytesOf('one'), 'the file')
    expectEqual(await two.names('m/'), ['1.json'], 'the names')
    await two.remove('m/1.json')
    expectEqual(await readAll(one, 'm/1.json'), undefined, 'the removed file')
  },
}
