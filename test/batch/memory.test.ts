import { fork } from 'node:child_process'
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundled } from './_bundle.js'
import { temporaryFolder } from './_folder.js'

const MB = 1 << 20
const rows = 150_000
const heapMb = 48

describe('scoreBatch of a file several times larger than its memory', () => {
  let program: string
  beforeAll(async () => {
    program = await bundled('_memory-child')
  })
  afterAll(async () => {
    await rm(program, { force: true })
  })

  const generate = async (path: string, header: string, row: (index: number) => string): Promise<number> => {
    const file = await open(path, 'w')
    await file.write(header)
    for (let first = 0; first < rows; first += 1000) await file.write(Array.from({ length: 1000 }, (_, index) => row(first + index)).join(''))
    await file.close()
    return (await stat(path)).size
  }

  it.each(['jsonl', 'csv'])('ends under a heap of 48 MB, and the process takes less than the file (%s)', async (kind) => {
    const folder = await temporaryFolder()
    const [input, output] = [join(folder, 'in'), join(folder, 'out')]
    const text = 'é, "quoted" and more words that have no quotes. '.repeat(35)
    const quoted = text.replaceAll('"', '""')
    const bytes = kind === 'csv' ? await generate(input, 'id,text\n', (index) => `${index},"${quoted}"\n`) : await generate(input, '', (index) => `${JSON.stringify({ id: String(index), text })}\n`)
    expect(bytes).toBeGreaterThan(5 * heapMb * MB)
    const ended = await new Promise<{ rows: number; peakBytes: number } | { error: string }>((resolve) => {
      const child = fork(program, [input, output, kind], { execArgv: [`--max-old-space-size=${heapMb}`], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
      let errors = ''
      child.stderr?.on('data', (chunk: Buffer) => (errors += String(chunk)))
      child.on('message', resolve)
      child.on('exit', () => resolve({ error: errors }))
    })
    expect(ended).toMatchObject({ rows })
    const { peakBytes } = ended as { peakBytes: number }
    expect(peakBytes).toBeLessThan(0.7 * bytes)
    expect((await stat(output)).size).toBeGreaterThan(0.9 * bytes)
    await rm(folder, { recursive: true })
  }, 60_000)
})
