/**
 * Runs several programs against one disk, one file system call at a time, in an order that a seed decides. A program can be
 * killed before any of its calls, and the power can be cut.
 */
import type { Random } from '../../../../src/core/random.js'
import type { FileSystem, FileSystemHandle } from '../../../../src/store/file-system.js'
import type { FakeClock } from '../../../../src/testing/fake-clock.js'
import { Disk, DiskFile, DiskFolder } from './_disk.js'

interface Step {
  readonly actor: Actor
  readonly name: string
  /** How many steps must have been made before it. */
  readonly notBefore: number
  readonly run: () => void
  /** What a kill in the middle of the call leaves. */
  readonly tear?: (random: Random) => void
}

interface Actor {
  readonly name: string
  priority: number
  state: 'running' | 'done' | 'killed'
  /** Whether it computes, and will come to its next call or its end by itself. */
  isBusy: boolean
}

/** How the next step is drawn: any; mostly the same program again; or by priorities that change now and then (PCT, Burckhardt 2010). */
const strategies = ['any', 'sticky', 'priorities'] as const

// Far more than any program awaits between two calls.
const mostTicks = 200

export class Scheduler {
  disk = new Disk()
  /** What happened, for whoever has to find out why. */
  readonly trace: string[] = []
  readonly #random: Random
  readonly #clock: FakeClock
  readonly #strategy: (typeof strategies)[number]
  #pending: Step[] = []
  #actors: Actor[] = []
  #last: Actor | undefined
  #failure: { readonly error: unknown } | undefined
  /** Whether one program is alone, so that nothing is drawn. */
  #isAlone = false
  #namedAt = -Infinity
  steps = 0
  kills = 0

  constructor(random: Random, clock: FakeClock) {
    this.#random = random
    this.#clock = clock
    this.#strategy = strategies[random.integer(strategies.length)] ?? 'any'
  }

  /** Runs a program alone, to its end. */
  async alone(name: string, program: (fileSystem: FileSystem) => Promise<void>): Promise<void> {
    this.trace.push(`${name} alone`)
    this.#isAlone = true
    let isDone = false
    const running = program(this.#fileSystem({ name, priority: 0, state: 'running', isBusy: true })).finally(() => { isDone = true })
    running.catch(() => {}) // thrown below
    // Whatever does not end by itself waits for time to pass.
    for (let waited = 0; !isDone; waited += 1) {
      for (let tick = 0; tick < mostTicks * 100 && !isDone; tick += 1) await undefined
      if (waited > 1000) throw new Error(`${name} does not go on`)
      if (!isDone) await this.#clock.advance(1000)
    }
    this.#isAlone = false
    await running
  }

  /** Starts a program. What it throws ends the whole run. It gets a way to wait until so many more steps have been made by all. */
  spawn(name: string, program: (fileSystem: FileSystem, steps: (count: number) => Promise<void>) => Promise<void>): void {
    const actor: Actor = { name, priority: this.#random.next(), state: 'running', isBusy: true }
    this.#actors.push(actor)
    const steps = (count: number): Promise<void> => this.#step(actor, `goes on`, () => {}, { notBefore: this.steps + count })
    program(this.#fileSystem(actor), steps).then(
      () => {},
      (error: unknown) => { this.#failure ??= { error } },
    ).finally(() => {
      actor.state = 'done'
      actor.isBusy = false
    })
  }

  /** Runs until every program has ended, or the power is cut: before each step with the chance `cut`. A program is killed with the chance `kill`. */
  async run({ cut = 0, kill = 0 }: { readonly cut?: number; readonly kill?: number } = {}): Promise<'done' | 'cut'> {
    for (;;) {
      await this.#settle()
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#actors.every(({ state }) => state !== 'running')) {
        this.#actors = []
        return 'done'
      }
      if (this.#pending.length === 0) {
        await this.#waitForTime()
        continue
      }
      this.steps += 1
      // Just after a name was given is when most can be lost.
      const chance = this.steps - this.#namedAt < 4 ? cut * 5 : cut
      if (this.#random.next() < chance) {
        this.cutPower()
        return 'cut'
      }
      const step = this.#draw()
      if (this.#random.next() < kill) this.#kill(step)
      else step.run()
      if (step.name.startsWith('link ')) this.#namedAt = this.steps
      if (this.#random.next() < 0.02) await this.#clock.advance(this.#random.integer(2000))
    }
  }

  /** Lets every program come to its next call; one that does not waits for time to pass. */
  async #settle(): Promise<void> {
    for (let tick = 0; tick < mostTicks; tick += 1) {
      if (!this.#actors.some(({ isBusy }) => isBusy)) return
      await undefined
    }
    for (const actor of this.#actors) actor.isBusy = false
  }

  async #waitForTime(): Promise<void> {
    for (let waited = 0; this.#pending.length === 0 && this.#actors.some(({ state }) => state === 'running'); waited += 1) {
      if (waited > 1000) throw new Error(`nobody goes on: ${this.#actors.map(({ name, state }) => `${name} ${state}`).join(', ')}`)
      await this.#clock.advance(1000)
    }
  }

  #draw(): Step {
    let ready = this.#pending.filter(({ notBefore }) => notBefore <= this.steps)
    if (ready.length === 0) ready = this.#pending
    let step = ready[this.#random.integer(ready.length)] as Step
    if (this.#strategy === 'sticky' && this.#random.next() < 0.9) step = ready.find(({ actor }) => actor === this.#last) ?? step
    if (this.#strategy === 'priorities') {
      for (const other of ready) if (other.actor.priority > step.actor.priority) step = other
      if (this.#random.next() < 0.05) step.actor.priority = this.#random.next()
    }
    this.#pending.splice(this.#pending.indexOf(step), 1)
    this.#last = step.actor
    this.trace.push(`${step.actor.name}: ${step.name}`)
    return step
  }

  #kill(step: Step): void {
    this.kills += 1
    this.trace.push(`${step.actor.name} is killed there`)
    step.tear?.(this.#random)
    step.actor.state = 'killed'
    step.actor.isBusy = false
    this.#pending = this.#pending.filter(({ actor }) => actor !== step.actor)
  }

  /** Ends every program, and leaves of the disk what a power cut may. */
  cutPower(): void {
    this.trace.push('the power is cut')
    for (const actor of this.#actors) if (actor.state === 'running') actor.state = 'killed'
    this.#actors = []
    this.#pending = []
    this.disk = this.disk.afterPowerCut(this.#random)
  }

  #step<T>(actor: Actor, name: string, act: () => T, { tear, notBefore = 0 }: { readonly tear?: ((random: Random) => void) | undefined; readonly notBefore?: number } = {}): Promise<T> {
    if (this.#isAlone) return new Promise((resolve) => { resolve(act()) })
    return new Promise((resolve, reject) => {
      if (actor.state !== 'running') return
      actor.isBusy = false
      const run = (): void => {
        actor.isBusy = true
        try {
          resolve(act())
        } catch (error) {
          reject(error as Error)
        }
      }
      this.#pending.push({ actor, name, notBefore, run, ...(tear === undefined ? {} : { tear }) })
    })
  }

  /** The file system as one program sees it. The promises of one that was killed never settle. */
  #fileSystem(actor: Actor): FileSystem {
    const disk = (): Disk => this.disk
    const step = <T>(called: string, act: () => T, tear?: (random: Random) => void): Promise<T> => this.#step(actor, called, act, { tear })
    // What nobody can come in between of to any effect: there are no links here, and folders stay.
    const unscheduled = <T>(act: () => T): Promise<T> => new Promise((resolve) => { if (actor.state === 'running') resolve(act()) })
    const some = (length: number): number => (length > 1 && this.#random.next() < 0.1 ? 1 + this.#random.integer(length - 1) : length)
    const handle = (path: string, node: DiskFile | DiskFolder): FileSystemHandle => {
      const file = (): DiskFile => {
        if (node instanceof DiskFile) return node
        throw Object.assign(new Error(`EISDIR: ${path}`), { code: 'EISDIR' })
      }
      return {
        read: (buffer, offset, length, position) => step(`read ${path}`, () => {
          const chunk = file().bytes.subarray(position, position + some(length))
          buffer.set(chunk, offset)
          return { bytesRead: chunk.length }
        }),
        write: (buffer, offset, length, position) => {
          const chunk = buffer.slice(offset, offset + length)
          return step(`write ${path}`, () => {
            const bytesWritten = some(length)
            file().write(chunk.subarray(0, bytesWritten), position)
            return { bytesWritten }
          }, (random) => file().write(chunk.subarray(0, random.integer(length + 1)), position))
        },
        stat: () => step(`fstat ${path}`, () => ({ size: node instanceof DiskFile ? node.bytes.length : 0, isFile: () => node instanceof DiskFile })),
        sync: () => step(`sync ${path}`, () => node.sync()),
        close: async () => {},
      }
    }
    return {
      open: (path, flags) => {
        if (flags === 'wx') {
          return step(`make ${path}`, () => {
            const file = new DiskFile()
            disk().make(path, file, this.#clock.wall())
            return handle(path, file)
          })
        }
        return disk().isFolder(path) ? unscheduled(() => handle(path, disk().find(path))) : step(`open ${path}`, () => handle(path, disk().find(path)))
      },
      mkdir: (path) => step(`mkdir ${path}`, () => disk().make(path, new DiskFolder(), this.#clock.wall())),
      link: (from, to) => step(`link ${to}`, () => disk().link(from, to)),
      rename: (from, to) => step(`rename ${to}`, () => disk().rename(from, to)),
      unlink: (path) => step(`unlink ${path}`, () => disk().unlink(path)),
      readdir: (path) => step(`readdir ${path}`, () => [...disk().folder(path).entries.keys()]),
      realpath: (path) => unscheduled(() => {
        disk().find(path)
        return path
      }),
      lstat: (path) => step(`lstat ${path}`, () => {
        const node = disk().find(path)
        return { size: node instanceof DiskFile ? node.bytes.length : 0, mtimeMs: node.modifiedMs, isFile: () => node instanceof DiskFile, isDirectory: () => node instanceof DiskFolder }
      }),
    }
  }
}
