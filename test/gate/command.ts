/** Child processes of the gate: output captured, standard input closed, ended as a group when their time is up. */
import { spawn } from 'node:child_process'
import type { Serializable } from 'node:child_process'

/** How a command ended. */
export interface Ran {
  readonly ok: boolean
  readonly output: string
  readonly stdout: string
  readonly ms: number
}

/** Where and how a command runs. */
export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** @default 300_000 */
  readonly timeoutMs?: number
  /** Opens an IPC channel and is given what comes over it. */
  readonly onMessage?: (message: Serializable) => void
  /** Given a function that ends the command. */
  readonly onStart?: (kill: () => void) => void
}

/** What npm tells its scripts about our package would mislead an npm that works in another folder. */
const childEnv = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const env = Object.entries(process.env).filter(([name]) => !/^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|npm_command$|INIT_CWD$|NODE_OPTIONS$|FORCE_COLOR$|VITEST)/i.test(name))
  return { ...Object.fromEntries(env), NO_COLOR: '1', ...extra }
}

const running = new Set<() => void>()

/** Ends every command that still runs. */
export const killAll = (): void => {
  for (const kill of running) kill()
}

/** Runs a program to its end. Never rejects: a program that is not there, fails or takes too long is not `ok`. */
export const command = (program: string, args: readonly string[], options: CommandOptions = {}): Promise<Ran> =>
  new Promise((resolve) => {
    const { cwd = process.cwd(), env, timeoutMs = 300_000, onMessage, onStart } = options
    const started = performance.now()
    const child = spawn(program, args, {
      cwd,
      env: childEnv(env),
      stdio: ['ignore', 'pipe', 'pipe', ...(onMessage === undefined ? [] : (['ipc'] as const))],
      detached: true,
    })
    let output = ''
    let stdout = ''
    let note = ''
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    running.add(kill)
    onStart?.(kill)
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    if (onMessage !== undefined) child.on('message', onMessage)
    const timer = setTimeout(() => {
      note = `\nended after ${Math.round(timeoutMs / 1000)} s: ${program} ${args.join(' ')}`
      kill()
    }, timeoutMs)
    const end = (ok: boolean): void => {
      clearTimeout(timer)
      running.delete(kill)
      kill() // what it left behind
      resolve({ ok, output: output + note, stdout, ms: performance.now() - started })
    }
    child.on('error', (error) => {
      note = `\n${program}: ${error.message}`
      end(false)
    })
    child.on('close', (code, signal) => {
      if (code !== 0 && note === '') note = `\n${program} ${args[0] ?? ''} ended with ${signal ?? `exit status ${code}`}`
      end(code === 0)
    })
  })
