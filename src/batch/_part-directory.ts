/**
 * The directory that the processes of a scoring job share. Every file in it is whole or absent, and made by one of them:
 *
 * ```
 * plan.json                        what the job is, and its parts
 * part-000012.<attempt>.rows       the rows of a part, and
 * part-000012.<attempt>.letters    its dead letters, as one attempt wrote them
 * part-000012.json                 the attempt that counts; made exclusively
 * finished.json                    the output is there
 * ```
 */
import { createHash } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { makeDirectory, syncDirectory, temporaryName, writeFileAtomic } from '../store/atomic-file.js'
import { errnoOf } from '../store/file-system.js'
import { parseJson, readSmall, type JobFingerprint } from './_checkpoint.js'
import type { FileSink } from './_file-sink.js'
import { AppendFile, jobError, readFully, type JobFileSystem } from './_job-files.js'
import type { SourcePart } from './source.js'

/** A part of the input, and the position of its first row in the whole. */
export interface PlannedPart extends SourcePart {
  readonly firstRow: number
}

/** What a job is, and its parts. */
export interface JobPlan {
  readonly v: 1
  readonly job: JobFingerprint
  readonly parts: readonly PlannedPart[]
}

/** What a part came to. */
export interface PartResult {
  readonly part: number
  readonly rows: number
  readonly failed: number
  readonly sources: Readonly<Record<string, number>>
  readonly ms: number
  /** The files of the attempt, with their sizes. */
  readonly output: { readonly file: string; readonly bytes: number }
  readonly letters: { readonly file: string; readonly bytes: number } | undefined
}

const copyBytes = 1 << 20
const partName = (part: number): string => `part-${String(part).padStart(6, '0')}`
const partPattern = /^part-(\d+)\.json$/

/** The shared directory of one job. */
export class PartDirectory {
  readonly fileSystem: JobFileSystem
  readonly path: string

  constructor(fileSystem: JobFileSystem, path: string) {
    this.fileSystem = fileSystem
    this.path = path
  }

  /** Reads a small file of ours, or `undefined` if it is not there. */
  async read<T>(name: string): Promise<T | undefined> {
    const text = await readSmall(this.fileSystem, join(this.path, name))
    if (text === undefined) return undefined
    const value = parseJson(text)
    if (typeof value !== 'object' || value === null) throw jobError(`Cannot go on with the scoring job as ${join(this.path, name)} must be a file of it: current value is something else`)
    return value as T
  }

  /** Writes a small file unless it is there. Says whether it was this one who wrote it. */
  async writeOnce(name: string, value: unknown): Promise<boolean> {
    try {
      await writeFileAtomic(join(this.path, name), Buffer.from(`${JSON.stringify(value, null, 1)}\n`), { fileSystem: this.fileSystem, exclusive: true })
      return true
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false
      throw error
    }
  }

  async make(): Promise<void> {
    await makeDirectory(this.fileSystem, dirname(this.path), basename(this.path))
  }

  /** The plan, which must be of this job. */
  async plan(job: JobFingerprint): Promise<JobPlan | undefined> {
    const plan = await this.read<JobPlan>('plan.json')
    if (plan === undefined) return undefined
    for (const part of ['name', 'input', 'output', 'deadLetters', 'model'] as const) {
      if (plan.job[part] !== job[part]) throw jobError(`Cannot work on the scoring job in ${this.path} as its ${part} must be "${plan.job[part]}" (begin anew in another directory): current value is "${job[part]}"`, { path: this.path, part })
    }
    return plan
  }

  /** The parts that are done. */
  async done(): Promise<Set<number>> {
    const parts = new Set<number>()
    for (const name of await this.fileSystem.readdir(this.path)) {
      const match = partPattern.exec(name)
      if (match !== null) parts.add(Number(match[1]))
    }
    return parts
  }

  async result(part: number): Promise<PartResult | undefined> {
    return await this.read<PartResult>(`${partName(part)}.json`)
  }

  /** Names for the files of an attempt that nobody else has. */
  attempt(part: number): { readonly rows: string; readonly letters: string } {
    const stem = partName(part) + temporaryName()
    return { rows: `${stem}.rows`, letters: `${stem}.letters` }
  }

  at(name: string): string {
    return join(this.path, name)
  }

  /** Makes the flushed files of an attempt the part, unless another attempt was first. */
  async commit(result: PartResult): Promise<boolean> {
    // The names of the files are durable before what refers to them.
    await syncDirectory(this.fileSystem, this.path)
    return await this.writeOnce(`${partName(result.part)}.json`, result)
  }

  async remove(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.fileSystem.unlink(this.at(name)).catch(() => {})
  }

  /** Takes away what attempts wrote, when the output is there. */
  async clear(): Promise<void> {
    await this.remove(...(await this.fileSystem.readdir(this.path)).filter((name) => /\.(rows|letters)$/.test(name)))
  }

  /**
   * Puts files together, without the headers of all but the first, and gives the whole a name, once: if the name is
   * taken, the file there must be the same.
   */
  async join<W>(sink: FileSink<W>, files: readonly { readonly file: string; readonly bytes: number }[]): Promise<void> {
    const { fileSystem } = this
    const made = join(dirname(sink.path), temporaryName())
    const hash = createHash('sha256')
    try {
      const whole = await AppendFile.open(fileSystem, made, undefined)
      try {
        let header: string | undefined
        for (const { file, bytes } of files) {
          const path = this.at(file)
          const length = await sink.options.format().headerBytes(fileSystem, path, bytes)
          await this.#copy(path, 0, length, async (chunk) => {
            const text = Buffer.from(chunk).toString()
            if (header !== undefined && header !== text) throw jobError(`Cannot put the parts of ${sink.path} together as they must have the same columns (say \`columns\`): current value is ${JSON.stringify(text)} beside ${JSON.stringify(header)}`)
            if (header === undefined) {
              hash.update(chunk)
              await whole.append(chunk)
            }
            header = text
          })
          await this.#copy(path, length, bytes, async (chunk) => {
            hash.update(chunk)
            await whole.append(chunk)
          })
        }
        await whole.sync()
      } finally {
        await whole.close()
      }
      if (sink.options.convert === undefined) await this.#name(made, sink.path, hash.digest('hex'))
      // A conversion is not the same to the byte; that nothing else was there is known from the plan.
      else await sink.convertTo(fileSystem, made, (converted) => this.#name(converted, sink.path, undefined))
    } finally {
      await fileSystem.unlink(made).catch(() => {})
    }
  }

  async #name(made: string, path: string, sha256: string | undefined): Promise<void> {
    try {
      await this.fileSystem.link(made, path)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
      // Another process has put the same parts together.
      if (sha256 !== undefined && sha256 !== (await this.#sha256(path))) throw jobError(`Cannot write ${path} as nothing else may be there: current value is another file`, { path })
    }
    await syncDirectory(this.fileSystem, dirname(path))
  }

  async #sha256(path: string): Promise<string> {
    const hash = createHash('sha256')
    await this.#copy(path, 0, (await this.fileSystem.stat(path)).size, async (chunk) => void hash.update(chunk))
    return hash.digest('hex')
  }

  async #copy(path: string, from: number, to: number, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    if (from >= to) return
    const handle = await this.fileSystem.open(path, 'r')
    try {
      const buffer = new Uint8Array(Math.min(copyBytes, to - from))
      for (let position = from; position < to;) {
        const chunk = await readFully(handle, buffer.subarray(0, Math.min(buffer.length, to - position)), position)
        if (chunk.length === 0) throw jobError(`Cannot read ${path} as it must have ${to} bytes: current value is ${position}`, { path })
        await take(chunk)
        position += chunk.length
      }
    } finally {
      await handle.close()
    }
  }
}
