import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { childrenOf, engineModule, entryFile, programFile } from './_kit.js'

vi.setConfig({ testTimeout: 40_000 })
const soon = { timeout: 20_000 }
const hosts: ChildProcess[] = []
afterEach(() => {
  for (const host of hosts.splice(0)) host.kill('SIGKILL')
})

interface Host {
  readonly child: ChildProcess
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  /** What it has said so far. */
  said(): string
  errors(): string
}

const start = async (scene: string, detached = false): Promise<Host> => {
  const [program, entry] = await Promise.all([programFile('test/models/isolation/_host.ts'), entryFile()])
  const child = spawn(process.execPath, [fileURLToPath(program), scene, entry.href, engineModule.href], { stdio: ['ignore', 'pipe', 'pipe'], detached })
  hosts.push(child)
  let said = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { said += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })))
  return { child, ended, said: () => said, errors: () => errors }
}

/** Without `/proc` nobody can tell whose child it was. */
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

// worker.terminate(), and so the end of a process, in the middle of a run of onnxruntime aborts the process: code 134.
test('a host that exits in the middle of a run of onnxruntime in a worker keeps its exit code', async () => {
  const host = await start('exits in a run')
  expect(await host.ended, host.errors()).toEqual({ code: 7, signal: null })
})

test('a host that dies of an uncaught error in the middle of such a run says so, and does not abort', async () => {
  const host = await start('throws in a run')
  expect(await host.ended, host.errors()).toEqual({ code: 1, signal: null })
  expect(host.errors()).toContain('uncaught in the host')
})

test('a host that has nothing else to do waits for the run, and then ends', async () => {
  const host = await start('ends in a run')
  expect(await host.ended, host.errors()).toEqual({ code: 3, signal: null })
  expect(host.said()).toBe('answered\n')
})

test('a host that exits while a worker loads a model keeps its exit code', async () => {
  const host = await start('exits while a model loads')
  expect(await host.ended, host.errors()).toEqual({ code: 7, signal: null })
})

test('idle models keep no host alive', async () => {
  const host = await start('ends with idle models')
  expect(await host.ended, host.errors()).toEqual({ code: 0, signal: null })
  expect(host.said()).toBe('answer [[2]]\nanswer [[2]]\n')
})

test.skipIf(!existsSync('/proc'))('a process ends when its host is killed, also while its model hangs', async () => {
  for (const [scene, word] of [['waits with a process', 'loaded'], ['hangs in a process', 'hanging']] as const) {
    const host = await start(scene)
    await vi.waitFor(() => expect(host.said(), host.errors()).toContain(word), soon)
    const [child] = childrenOf(host.child.pid as number)
    expect(child).toBeDefined()
    host.child.kill('SIGKILL')
    await host.ended
    await vi.waitFor(() => expect(isRunning(child as number)).toBe(false), soon)
  }
})

test('an interrupt of the whole group leaves the process to its host, which drains', async () => {
  const host = await start('drains on SIGINT', true)
  await vi.waitFor(() => expect(host.said(), host.errors()).toContain('loaded'), soon)
  process.kill(-(host.child.pid as number), 'SIGINT')
  expect(await host.ended, host.errors()).toEqual({ code: 0, signal: null })
  expect(host.said()).toBe('loaded\nanswer [[42]]\ndrained\n')
})
