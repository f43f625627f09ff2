/** Brings a version into memory: tries again what may pass, quarantines what will not, makes room where memory is short. */
import { OutriggerError } from '../../core/errors.js'
import type { Random } from '../../core/random.js'
import type { ModelVersion } from '../store/model-store.js'
import type { Change, Changes } from './_changes.js'
import { loadVersion, verifyVersion, type LoadAttempt, type LoadSettings } from './_load-version.js'
import { closeAll, fileBytesOf, type LoadedVersion } from './_loaded-version.js'
import type { Pool, Room } from './_pool.js'
import { subjectOf, type Reporter } from './_reporter.js'
import type { Shelf } from './_shelf.js'
import { Tries, type TriesRule } from './_tries.js'
import { VersionLife } from './_version-life.js'
import { persistenceOf } from './persistence.js'
import type { Quarantine, QuarantinedVersion } from './quarantine.js'
import { atStage, Refusal } from './refusal.js'
import { planSwap, type SwapStrategy } from './swap-plan.js'

/** How room is made for a version. */
export interface RoomRule {
  readonly strategy: SwapStrategy
  readonly memoryBudgetBytes: number
  /** Shared with other loaders. */
  readonly pool: Pool | undefined
}

/** The parts of a loader that bringing a version into memory needs. */
export interface VersionLoaderParts<I, O> {
  readonly owner: object
  readonly settings: LoadSettings<I, O> & TriesRule & RoomRule
  readonly reporter: Reporter
  readonly shelf: Shelf<I, O>
  readonly changes: Changes
  readonly quarantine: Quarantine
  readonly random: Random
  /** Fires when the loader closes, with the error that says so. */
  readonly signal: AbortSignal
}

export class VersionLoader<I, O> {
  readonly #parts: VersionLoaderParts<I, O>

  constructor(parts: VersionLoaderParts<I, O>) {
    this.#parts = parts
  }

  /**
   * Loads a version, and takes it through the gate. What is live stays so, unless there is no room for both.
   *
   * @param why - what points to it
   * @param before - whose callers it has to serve
   * @throws `ERR_OUTRIGGER_MODEL_REFUSED`, and it is in quarantine; `ERR_OUTRIGGER_MODEL_UNAVAILABLE`, and it may be tried
   * again; `ERR_OUTRIGGER_ABORTED` if a later change came first; `ERR_OUTRIGGER_CLOSED`
   */
  async load(version: ModelVersion, change: Change, why: string, before: ModelVersion | undefined): Promise<LoadedVersion<I, O>> {
    const { settings, reporter, changes, quarantine, random, signal, owner } = this.#parts
    const known = quarantine.get(version.digest)
    const life = new VersionLife(version, settings.runtime.clock, reporter, known === undefined ? 'absent' : 'quarantined')
    life.go('discovered', known === undefined ? why : `${why}; it is tried again, although it was refused (${known.stage})`)
    const tries = new Tries(settings, random, changes)
    let doubts = 0
    for (;;) {
      const attempt: LoadAttempt = { life, reporter, signal, before, closers: [] }
      let isGap = false
      try {
        const opened = await verifyVersion(settings, attempt)
        isGap = await this.#makeRoom(version)
        const room = await this.#reserve(version, () => { isGap = true })
        // Made first, closed last: what it holds is free when the model is gone.
        if (room !== undefined) attempt.closers.push(() => room.close())
        const loaded = await loadVersion(settings, owner, opened, attempt)
        room?.settle(loaded.bytes)
        quarantine.release(version.digest)
        return loaded
      } catch (error) {
        await closeAll(attempt.closers, { onCloseError: (fault) => reporter.notice(`Closing ${subjectOf(version)}, which was not used, failed.`, fault) })
        if (signal.aborted || !(error instanceof Refusal)) {
          life.go('disposed', signal.aborted ? 'the loader closes' : 'the loader failed')
          throw signal.aborted ? signal.reason : error
        }
        const persistence = persistenceOf(error.cause, error.stage)
        if (persistence === 'doubtful') doubts += 1
        // Without a live version nobody waits through pauses for one that failed: the one before is loaded again.
        const isFinal = persistence === 'permanent' || doubts > Math.min(1, settings.retries) || (persistence === 'doubtful' && isGap)
        if (isFinal) throw this.#refuse(life, error)
        const mayRetry = !isGap && !changes.isLate(change) && (await tries.again((retry, delayMs) => {
          if (life.state !== 'discovered') life.go('discovered', `it failed for now (${error.stage}): ${error.message}`, { stage: error.stage, error })
          reporter.notice(`Loading ${subjectOf(version)} failed for now; it is tried again in ${Math.round(delayMs)} ms.`, error.cause ?? error, { subject: subjectOf(version), digest: version.digest, stage: error.stage, retry, retries: settings.retries, delayMs })
        }))
        if (!mayRetry) throw this.#giveUp(life, error, change)
      }
    }
  }

  #refuse(life: VersionLife, { stage, message: reason, details, cause }: Refusal): OutriggerError {
    const { name, version, digest } = life.version
    const error = new OutriggerError('ERR_OUTRIGGER_MODEL_REFUSED', `Cannot make ${subjectOf(life.version)} live as it did not pass the gate (${stage}): ${reason}`, { model: name, version, digest, stage, reason, ...details, cause })
    this.#parts.quarantine.add({ name, version, digest, stage, reason, at: this.#parts.settings.runtime.clock.wall() })
    life.go('quarantined', reason, { stage, ...details, error })
    return error
  }

  /** @throws why nobody wants it any more, if that is so */
  #giveUp(life: VersionLife, { stage, message: reason, cause }: Refusal, change: Change): OutriggerError {
    const { name, version, digest } = life.version
    life.go('disposed', `given up for now (${stage}): ${reason}`, { stage })
    this.#parts.signal.throwIfAborted()
    this.#parts.changes.refuseLate(change, `make ${subjectOf(life.version)} live`)
    return new OutriggerError('ERR_OUTRIGGER_MODEL_UNAVAILABLE', `Cannot make ${subjectOf(life.version)} live for now (${stage}): ${reason}`, { model: name, version, digest, stage, reason, cause })
  }

  /** Room in the pool, if there is one. `onGap` hears that the live version had to go for it. */
  async #reserve(version: ModelVersion, onGap: () => void): Promise<Room | undefined> {
    const { shelf, settings: { pool, strategy }, signal } = this.#parts
    if (pool === undefined) return undefined
    const bytes = estimateOf(version, shelf.live)
    if (bytes > pool.maxBytes) throw new Refusal('load', `it needs about ${bytes} bytes, and the pool has ${pool.maxBytes}`, { expected: pool.maxBytes, actual: bytes })
    const subject = subjectOf(version)
    const { live } = shelf
    const lastResort = strategy !== 'auto' || live === undefined ? undefined : async (): Promise<void> => {
      onGap()
      await shelf.letGo(live, `${subject} needs its room`)
    }
    return await atStage('load', () => pool.reserve({ subject, bytes, signal, lastResort }))
  }

  /** Lets go what has to, and waits for it, but not longer than calls may hold on. Says whether nothing is live any more. */
  async #makeRoom(version: ModelVersion): Promise<boolean> {
    const { shelf, settings: { strategy, memoryBudgetBytes }, signal } = this.#parts
    const { live, warm, draining } = shelf
    const incomingBytes = estimateOf(version, live)
    const plan = planSwap({
      strategy, incomingBytes, budgetBytes: memoryBudgetBytes,
      liveBytes: live?.bytes,
      warmBytes: warm.map(({ bytes }) => bytes),
      drainingBytes: draining.reduce((sum, { bytes }) => sum + bytes, 0),
    })
    if (!plan.fits) {
      const reason = `it needs about ${incomingBytes} bytes, and \`memoryBudgetBytes\` is ${memoryBudgetBytes}`
      // No cause that may pass: neither its size nor the budget will change.
      throw new Refusal('load', reason, { expected: memoryBudgetBytes, actual: incomingBytes })
    }
    shelf.evict(plan.evict, `${subjectOf(version)} needs its room`)
    if (plan.unloadsFirst) shelf.takeDown(`${subjectOf(version)} needs its room`)
    if (plan.evict > 0 || plan.unloadsFirst) await untilAborted(shelf.drained(), signal)
    return plan.unloadsFirst
  }
}

/** What a version will hold: as large as its files, or by what the live one holds for each byte of its own. */
const estimateOf = (version: ModelVersion, live: Pick<LoadedVersion<never, never>, 'version' | 'bytes'> | undefined): number => {
  const files = fileBytesOf(version)
  if (live === undefined || live.version.manifest.engine !== version.manifest.engine) return files
  return Math.ceil(files * Math.max(1, live.bytes / Math.max(1, fileBytesOf(live.version))))
}

const untilAborted = (work: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
    void work.then(done)
  })

/** What a look says of a version that is in quarantine. */
export const quarantinedError = ({ name, version, digest, stage, reason, at }: QuarantinedVersion): OutriggerError =>
  new OutriggerError('ERR_OUTRIGGER_MODEL_REFUSED', `Cannot make ${name}@${version} live as it is in quarantine (${stage}): ${reason}`, { model: name, version, digest, stage, reason, quarantinedAt: at })
