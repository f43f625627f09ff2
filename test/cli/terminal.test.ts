import { spawn } from 'node:child_process'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { safeJson } from '../../src/cli/safe-json.js'
import { list, table } from '../../src/cli/table.js'
import { terminalOf } from '../../src/cli/terminal.js'
import { canaryTraffic, leaksIn, visible } from '../canaries/canaries.js'
import { capture, segmentSink } from 'outrigger/capture'
import { makeFolder, run, widest } from './_kit.js'

let folder: Awaited<ReturnType<typeof makeFolder>>
beforeAll(async () => {
  folder = await makeFolder()
})
afterAll(async () => await folder.remove())

/** The program as a child process. */
const program = async (args: readonly string[], env: Record<string, string> = {}, isDone: (out: string) => boolean = () => false): Promise<{ status: number | null; out: string; err: string }> => {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, '../../src/cli/entry.ts'), ...args], { env: { ...process.env, ...env } })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    if (isDone(out)) child.stdout.destroy()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (err += text))
  const status = await new Promise<number | null>((resolve) => void child.on('close', resolve))
  return { status, out, err }
}

describe('the program outrigger', () => {
  it('runs as a process, with its status, and without colours where nobody looks', async () => {
    const [same, other, misuse] = await Promise.all([
      program(['replay', folder.records, '--predictor', join(folder.path, 'same.mjs')], { FORCE_COLOR: '1' }),
      program(['replay', folder.records, '--predictor', join(folder.path, 'other.mjs')]),
      program(['inspect', folder.records, '--nonsense']),
    ])
    expect([same.status, same.out, same.err]).toEqual([0, '0 of 30 answers differ, bit for bit.\n  1 left out: it ended in an error\n', ''])
    expect([other.status, other.out.split('\n')[0]]).toEqual([1, '9 of 30 answers differ, bit for bit.'])
    expect([misuse.status, misuse.out]).toEqual([2, ''])
    // oxlint-disable-next-line no-control-regex -- No colours.
    expect(same.out + other.out + misuse.err).not.toMatch(/\u001B/)
  }, 20_000)

  it('ends with its status though the module keeps something open', async () => {
    const module = join(folder.path, 'open.mjs')
    await writeFile(module, `setInterval(() => {}, 1000)\nexport { default, options } from './same.mjs'\n`)
    const { status, out, err } = await program(['replay', folder.records, '--predictor', module])
    expect(err).toBe('')
    expect([status, out.split('\n')[0]]).toEqual([0, '0 of 30 answers differ, bit for bit.'])
  }, 20_000)

  it('ends with 2, and says so, where it never came to an answer: a pipeline must not pass by it', async () => {
    const modules = {
      never: 'export default () => ({ predict: () => new Promise(() => {}) })',
      waiting: 'await new Promise(() => {})\nexport default () => ({ predict: () => ({ minutes: 1, late: false }) })',
      leaving: 'export default () => ({ predict: () => process.exit(0) })',
      stray: 'export default () => ({ predict: async () => { Promise.reject(new Error("lo\\u001Bose")); await new Promise((resolve) => setTimeout(resolve, 50)) } })',
    }
    for (const [name, text] of Object.entries(modules)) await writeFile(join(folder.path, `${name}.mjs`), `export { options } from './same.mjs'\n${text}\n`)
    const of = async (command: string[], name: string) => await program([...command, '--predictor', join(folder.path, `${name}.mjs`)])
    const replay = ['replay', folder.records]
    const ends = await Promise.all([of(replay, 'never'), of([...replay, '--json'], 'never'), of(['explain', folder.records, 'flight-05'], 'never'), of(['inspect', folder.records, 'flight-05', '--replay'], 'never'), of(replay, 'waiting'), of(replay, 'leaving')])
    for (const { status, out, err } of ends) expect([status, out, err]).toEqual([2, '', expect.stringMatching(/^outrigger: it ended without an answer/)])
    const stray = await of(replay, 'stray')
    // oxlint-disable-next-line no-control-regex -- That is what must not be there.
    expect([stray.status, stray.out, /^outrigger: .*lo\\u\{1b\}ose\n$/.test(stray.err), /\u001B/.test(stray.err)]).toEqual([2, '', true, false])
  }, 60_000)

  it('leaves nothing behind, and keeps its status, when its reader has seen enough', async () => {
    const temporary = join(folder.path, 'temporary')
    await mkdir(temporary)
    const { status, err } = await program(['inspect', folder.records, '--json', '--sql', "select range, repeat('x', 1000) as text from range(100000)"], { TMPDIR: temporary }, (out) => out.length > 0)
    expect([status, err, (await readdir(temporary)).filter((name) => name.startsWith('outrigger-'))]).toEqual([0, '', []])
  }, 20_000)

  it('ends quietly when its reader has seen enough', async () => {
    const { err } = await program(['inspect', folder.records, '--json', '--limit', '1000'], {}, (out) => out.length > 0)
    expect(err).toBe('')
  }, 20_000)

  it('helps', async () => {
    expect(await run('--help')).toMatchObject({ status: 0, err: '', out: expect.stringContaining('outrigger <command> …') })
    expect((await run()).status).toBe(2)
    for (const command of ['inspect', 'replay', 'explain']) {
      const { status, out } = await run(command, '--help')
      expect([status, widest(out) <= 80, out.startsWith(`outrigger ${command} <records>`)]).toEqual([0, true, true])
    }
    expect(widest((await run('--help')).out)).toBeLessThanOrEqual(80)
    expect(await run('\u001B[2Jx')).toMatchObject({ status: 2, out: '', err: expect.stringContaining('there is no command "\\u001b[2Jx"') })
    expect((await run('constructor')).status).toBe(2)
  })

  it('lets no canary out, whatever it prints', async () => {
    const records = join(folder.path, 'canaries')
    await mkdir(records)
    const captured = capture({ sink: segmentSink({ directory: records }), secret: 'a secret of 32 bytes, as one has' })
    await canaryTraffic({ observers: [captured.observer], label: captured.label.bind(captured), override: captured.override.bind(captured) })
    await captured.close()
    const printed: string[] = []
    for (const args of [['--limit', '1000'], ['--json', '--limit', '1000'], ['row-7'], ['row-7', 'row-8'], ['row-7', '--json'], ['--sql', 'select * from predictions'], ['--sql', 'select * from records', '--json']]) {
      const { status, out, err } = await run('inspect', records, ...args)
      expect([status, err]).toEqual([0, ''])
      printed.push(out)
    }
    const text = printed.join('\n')
    expect(text).toContain(visible)
    expect(leaksIn(text)).toEqual([])
  }, 30_000)
})

describe('terminalOf', () => {
  const of = (stdout: object, env: Record<string, string> = {}) => terminalOf({ stdout: { write: () => true, ...stdout }, stderr: { write: () => true }, env })
  it('paints on a terminal only, and not where NO_COLOR is set', () => {
    expect(of({ isTTY: true }).paint('red', 'x')).toBe('\u001B[31mx\u001B[0m')
    for (const terminal of [of({}), of({ isTTY: true }, { NO_COLOR: '1' }), of({ isTTY: true }, { TERM: 'dumb' })]) expect(terminal.paint('red', 'x')).toBe('x')
    expect(of({ isTTY: true }, { NO_COLOR: '' }).paint('dim', 'x')).toBe('\u001B[2mx\u001B[0m')
  })
  it('is 80 columns wide where nobody says otherwise', () => {
    expect([of({}).columns, of({ isTTY: true }).columns, of({ isTTY: true, columns: 120 }).columns, of({ isTTY: true, columns: 5 }).columns, of({ columns: 300 }).columns]).toEqual([80, 80, 120, 40, 80])
  })
})

describe('table', () => {
  it('cuts the widest columns, and ids last', () => {
    const text = table(['id', 'text', 'n'], [['0123456789abcdef0123456789abcdef', 'x'.repeat(200), '5'], ['short', 'y', '17']], 60, new Set([0]))
    expect(text).toBe(`id                                text                     n\n0123456789abcdef0123456789abcdef  ${'x'.repeat(21)}…   5\nshort                             y                       17\n`)
    expect(widest(table(['a', 'b'], [['x'.repeat(90), 'y'.repeat(90)]], 40, new Set([0, 1])))).toBeLessThanOrEqual(40)
  })
  it('takes as many rows as there are', () => {
    expect(table(['n'], Array.from({ length: 200_000 }, () => ['5']), 80)).toHaveLength(2 * 200_001)
  })
  it('stays a line where a cell has several', () => {
    expect(table(['a'], [['x\ny\u001B[2J']], 80)).toBe('a\nx\\u{a}y\\u{1b}[2J\n')
    expect(list([['name', 'x'.repeat(100)], ['b\u0007', '']], 50)).toBe(`name    ${'x'.repeat(42)}\n        ${'x'.repeat(42)}\n        ${'x'.repeat(16)}\nb\\u{7}\n`)
  })
})

describe('safeJson', () => {
  it('parses to the same, and has nothing that a terminal heeds', () => {
    const value = { a: '\u0000\u001B\u007F\u009B\u202E\u2028\u200B\uE000é😀', n: 1, big: 5n }
    expect(JSON.parse(safeJson(value))).toEqual({ ...value, big: '5' })
    // oxlint-disable-next-line no-control-regex -- That is what must not be there.
    expect(safeJson(value)).not.toMatch(/[\u0000-\u0009\u007F-\u009F\u200B\u202E\u2028]/)
    expect(safeJson(value)).toContain('é😀')
  })
})
