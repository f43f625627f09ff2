/**
 * A process that is killed while several writers of it keep numbered records in one directory. Each batch is told to a log before and after it is written. It dies by the SIGKILL of
 * its parent at any moment, or by its own in the middle of one of its accesses to files.
 */
import fs from 'node:fs'
import { predictor, seededRandom } from 'outrigger'
import { capture, segmentSink, type CapturedLine, type RecordSink } from 'outrigger/capture'
import { defineSchema } from 'outrigger/schema'
import { nodeFileSystem, type FileSystem, type FileSystemHandle } from '../../src/store/file-system.js'

export interface Orders {
  readonly directory: string
  readonly log: string
  readonly seed: string
  readonly writers: number
  /** It kills itself at this access to files; `null` leaves it to the parent. */
  readonly diesAt: number | null
}

const orders = JSON.parse(process.argv[2] as string) as Orders
const random = seededRandom(orders.seed)
const log = fs.openSync(orders.log, 'a')
const say = (line: string): void => void fs.writeSync(log, `${line}\n`)

let accesses = 0
const die = (): void => {
  process.kill(process.pid, 'SIGKILL')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
const point = (): void => {
  accesses += 1
  if (accesses === orders.diesAt) die()
}
const mortalHandle = (handle: FileSystemHandle): FileSystemHandle => ({
  read: (...given) => handle.read(...given),
  stat: () => handle.stat(),
  sync: async () => (point(), await handle.sync(), point()),
  close: async () => (point(), await handle.close(), point()),
  write: async (buffer, offset, length, position) => {
    point()
    accesses += 1
    if (accesses === orders.diesAt) {
      await handle.write(buffer, offset, Math.floor(length * random.next()), position)
      die()
    }
    const result = await handle.write(buffer, offset, length, position)
    point()
    return result
  },
})
const fileSystem: FileSystem = {
  ...nodeFileSystem,
  open: async (...given) => (point(), mortalHandle(await nodeFileSystem.open(...given))),
  link: async (...given) => (point(), await nodeFileSystem.link(...given), point()),
  unlink: async (...given) => (point(), await nodeFileSystem.unlink(...given), point()),
  rename: async (...given) => (point(), await nodeFileSystem.rename(...given), point()),
}

const input = defineSchema({ n: { type: 'integer' }, text: { type: 'string' } })
const predict = predictor(({ n }: { readonly n: number; readonly text: string }) => n * 3, { name: 'killed', input, output: defineSchema({ y: { type: 'number' } }) })
const numberOf = (line: CapturedLine | undefined): string => String(line?.id.split(':')[1])

const write = async (name: string): Promise<void> => {
  const inner = segmentSink({
    directory: orders.directory,
    fileSystem,
    sealBytes: 3000 + random.integer(60_000),
    sync: random.next() < 0.1 ? 'batch' : 'never',
    maxBytes: 500 + random.integer(20_000),
    maxMs: random.integer(5),
    sweepMs: 1 + random.integer(50),
  })
  const sink: RecordSink = {
    ...inner,
    write: async (lines) => {
      say(`begins ${name} ${numberOf(lines[0])} ${numberOf(lines.at(-1))}`)
      await inner.write(lines)
      say(`ended ${name} ${numberOf(lines.at(-1))}`)
    },
  }
  const captured = capture({ sink, classOf: (_, record) => (Number(record?.id.split(':')[1]) % 7 === 0 ? 'other' : 'standard') })
  predict.observe((event) => {
    if (event.type === 'prediction' && event.record.id.startsWith(`${name}:`)) captured.observer(event)
  })
  for (let n = 0; ; n += 1) {
    await predict({ n, text: 'x'.repeat(random.integer(300)) }, { id: `${name}:${n}` })
    if (random.next() < 0.05) await new Promise((resolve) => setImmediate(resolve))
    if (random.next() < 0.002) await new Promise((resolve) => setTimeout(resolve, 3))
  }
}

await Promise.all(Array.from({ length: orders.writers }, async (_, index) => await write(`${orders.seed}-${index}`)))
