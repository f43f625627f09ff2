/** Where a job stands, on disk, so that it goes on after a crash as if there had been none. */
import { hostname } from 'node:os'
import { writeFileAtomic } from '../store/atomic-file.js'
import { errnoOf } from '../store/file-system.js'
import { jobError, readFully, type JobFileSystem } from './_job-files.js'

/** What a job is; it is only taken up by the same one. */
export interface JobFingerprint {
  readonly name: string
  readonly input: string
  readonly output: string
  readonly deadLetters: string
  readonly model: string
}

/** What has been done up to one place. */
export interface JobProgress {
  /** Where the source goes on. */
  position: number
  rows: number
  failed: number
  /** Rows by where their answer came from. */
  sources: Record<string, number>
  ms: number
}

/** A job at rest. */
export interface Checkpoint {
  readonly progress: JobProgress
  /** Where the sinks go on. */
  readonly output: number
  readonly deadLetters: number
  /** Everything is written; only names may still have to be given. */
  readonly complete: boolean
}

interface StoredCheckpoint extends Checkpoint {
  readonly v: 1
  readonly owner: string
  readonly job: JobFingerprint
}

/** The checkpoint of one run of a job. */
export class CheckpointFile {
  readonly #fileSystem: JobFileSystem
  readonly #path: string
  readonly #job: JobFingerprint
  readonly #owner: string

  constructor(fileSystem: JobFileSystem, path: string, job: JobFingerprint, id: string) {
    this.#fileSystem = fileSystem
    this.#path = path
    this.#job = job
    this.#owner = `${hostname()} ${process.pid} ${id}`
  }

  /**
   * Where the job stands, or `undefined` if it has not begun.
   * @throws `ERR_OUTRIGGER_JOB` when it is the checkpoint of another job, or none
   */
  async load(): Promise<Checkpoint | undefined> {
    const stored = await this.#read()
    if (stored === undefined) return undefined
    for (const part of ['name', 'input', 'output', 'deadLetters', 'model'] as const) {
      const [was, is] = [stored.job[part], this.#job[part]]
      if (was !== is) throw jobError(`Cannot resume from ${this.#path} as its ${part} must be "${was}" (begin anew with another checkpoint and output): current value is "${is}"`, { path: this.#path, part })
    }
    return stored
  }

  /** Makes the run the owner of the job. */
  async claim(checkpoint: Checkpoint): Promise<void> {
    await this.#write(checkpoint)
  }

  /** @throws `ERR_OUTRIGGER_JOB` when another run has taken the job over */
  async check(): Promise<void> {
    const stored = await this.#read()
    if (stored?.owner !== this.#owner) throw jobError(`Cannot go on with the job of ${this.#path} as only one run may work on it: current value is a run of ${stored?.owner ?? 'nobody'}`, { path: this.#path })
  }

  /**
   * Saves where the job stands. What it stands for is on disk already.
   * @throws `ERR_OUTRIGGER_JOB` when another run has taken the job over
   */
  async save(checkpoint: Checkpoint): Promise<void> {
    await this.check()
    await this.#write(checkpoint)
  }

  async #write({ progress, output, deadLetters, complete }: Checkpoint): Promise<void> {
    const stored: StoredCheckpoint = { v: 1, owner: this.#owner, job: this.#job, progress, output, deadLetters, complete }
    await writeFileAtomic(this.#path, Buffer.from(`${JSON.stringify(stored, null, 2)}\n`), { fileSystem: this.#fileSystem })
  }

  async #read(): Promise<StoredCheckpoint | undefined> {
    const text = await readSmall(this.#fileSystem, this.#path)
    if (text === undefined) return undefined
    const stored = parseJson(text) as Partial<StoredCheckpoint> | undefined
    if (!isCheckpoint(stored)) throw jobError(`Cannot resume from ${this.#path} as it must be a checkpoint: current value is something else`, { path: this.#path })
    return stored
  }
}

const isCheckpoint = (stored: Partial<StoredCheckpoint> | undefined): stored is StoredCheckpoint => {
  if (stored?.v !== 1 || !isObject(stored.job) || !isObject(stored.progress)) return false
  const { position, rows, failed, ms, sources } = stored.progress as JobProgress
  if (!isObject(sources)) return false
  return [position, rows, failed, ms, stored.output, stored.deadLetters].every((value) => typeof value === 'number' && value >= 0)
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

/** The text of a small file, or `undefined` if there is none. */
export const readSmall = async (fileSystem: JobFileSystem, path: string): Promise<string | undefined> => {
  try {
    const handle = await fileSystem.open(path, 'r')
    try {
      const { size } = await handle.stat()
      return Buffer.from(await readFully(handle, Buffer.alloc(size), 0)).toString('utf8')
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** JSON, or `undefined` if it is none. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
