/** The race of a hedged run: a first attempt, further ones when it is late, and for each row the first answer. */
import type { BatchCall } from '../core/batch-call.js'
import type { Call } from '../core/call.js'
import type { Clock, Timer } from '../core/clock.js'
import { rejection } from '../core/errors.js'
import { abortErrorOf } from '../core/model.js'
import { failRows, isRowFailure, RowFailure, type Row } from '../core/rows.js'
import { discardStream, isStream, untilEnd } from '../core/streams.js'

/** A race, and who wants to know of it. */
export interface Race<O> {
  /** The calls of the rows; of a single call, the one. */
  readonly batch: BatchCall
  readonly clock: Clock
  readonly startedAt: number
  /** A further attempt is due after so long; `undefined` for none. */
  readonly delayMs: number | undefined
  /** So many further attempts at most. */
  readonly max: number
  askFirst(part: BatchCall): Promise<Row<O>[]>
  /** Asks for the rows at these positions. What it throws fails the attempt. */
  askAgain(indices: readonly number[], part: BatchCall): Promise<Row<O>[]>
  /** Whether a further attempt of so many rows may be made now. */
  mayAskAgain(rows: number): boolean
  /** The work of a further attempt has really ended. */
  onAgainEnded(): void
  /** What became of a row of a further attempt. */
  onAgain(outcome: 'won' | 'lost' | 'failed'): void
  /** Whether a further attempt answered anything first. Not told when the callers left. */
  onDecided(won: boolean): void
  /** The first attempt answered every row, or was overtaken after so long. `busyMs` had passed when its promise was there. Not told of failures and aborts. */
  onFirst(busyMs: number, tookMs: number, isOvertaken: boolean): void
}

interface Attempt<O> {
  readonly isFirst: boolean
  readonly part: BatchCall
  /** The rows that it asks for. */
  readonly indices: readonly number[]
  answers: readonly Row<O>[] | undefined
}

/**
 * Runs it. It resolves with the first answer of each row, when every row has one or no attempt is left; a row without an
 * answer has the first attempt's failure. Attempts that are under way then are aborted, and hold their leases until they
 * have ended.
 */
export const race = <O>(options: Race<O>): Promise<Row<O>[]> =>
  new Promise((resolve) => {
    const { batch, clock, startedAt, delayMs, max } = options
    const rows = new Array<Row<O>>(batch.size)
    const winners = new Array<Attempt<O> | undefined>(batch.size)
    const attempts: Attempt<O>[] = []
    let open = batch.size
    let pending = 0
    let busyMs = 0
    let isDone = false
    let timer: Timer | undefined

    const launch = (indices: readonly number[], ask: (part: BatchCall) => Promise<Row<O>[]>): void => {
      const isFirst = attempts.length === 0
      const attempt: Attempt<O> = { isFirst, part: (isFirst ? batch : batch.pick(indices)).fork(), indices, answers: undefined }
      attempts.push(attempt)
      pending += 1
      const fail = (error: unknown): void => settle(attempt, failRows(indices.length, error))
      try {
        ask(attempt.part).then((answers) => settle(attempt, answers), fail)
      } catch (error) {
        fail(error)
      }
    }

    const settle = (attempt: Attempt<O>, answers: readonly Row<O>[]): void => {
      attempt.answers = answers
      pending -= 1
      if (!attempt.isFirst) options.onAgainEnded()
      answers.forEach((row, position) => {
        const index = attempt.indices[position] as number
        const own = attempt.part.rows[position] as Call
        const held = isStream(row) ? untilEnd(row, () => own.end()) : row
        if (held === row) own.end()
        if (isRowFailure(row)) return
        if (isDone || winners[index] !== undefined) {
          if (isStream(held)) discardStream(held)
          return
        }
        winners[index] = attempt
        rows[index] = held
        open -= 1
      })
      if (isDone) return
      if (attempt.isFirst && !answers.some(isRowFailure) && !batch.isAborted) options.onFirst(busyMs, clock.now() - startedAt, false)
      if (open === 0 || pending === 0 || batch.isAborted) finish()
    }

    const finish = (): void => {
      isDone = true
      if (timer !== undefined) clock.clearTimeout(timer)
      const { isAborted } = batch
      const [first] = attempts as [Attempt<O>]
      if (first.answers === undefined && !isAborted) options.onFirst(busyMs, clock.now() - startedAt, true)
      for (const attempt of attempts) take(attempt, first, isAborted)
      for (let index = 0; index < rows.length; index += 1) {
        if (winners[index] === undefined) rows[index] = first.answers?.[index] ?? new RowFailure(abortErrorOf((batch.rows[index] as Call).abortReason))
      }
      resolve(rows)
      const overtaken = pending === 0 ? undefined : rejection('ERR_OUTRIGGER_ABORTED', 'Cannot go on with the attempt as another one has answered')
      for (const { answers, part } of attempts) if (answers === undefined) part.abort(overtaken)
    }

    /** The calls take over what the attempts that answered them noted, and count all of them. */
    const take = (attempt: Attempt<O>, first: Attempt<O>, isAborted: boolean): void => {
      let won = false
      attempt.indices.forEach((index, position) => {
        const call = batch.rows[index] as Call
        const own = attempt.part.rows[position] as Call
        const winner = winners[index]
        if ((winner ?? first) === attempt) call.adopt(own)
        else call.attempts += own.attempts
        if (attempt.isFirst || isAborted) return
        const answer = attempt.answers?.[position]
        const outcome = winner === attempt ? 'won' : isRowFailure(answer) ? 'failed' : 'lost'
        won ||= outcome === 'won'
        options.onAgain(outcome)
        call.mark(outcome === 'won' ? 'hedge-answered' : outcome === 'failed' ? 'hedge-failed' : 'hedged')
      })
      if (!attempt.isFirst && !isAborted) options.onDecided(won)
    }

    const arm = (now: number): void => {
      if (delayMs === undefined || attempts.length > max || batch.deadline <= now + delayMs) return
      timer = clock.setTimeout(askAgain, delayMs)
    }

    const askAgain = (): void => {
      timer = undefined
      const indices = batch.rows.flatMap((call, index) => (winners[index] === undefined && !call.isAborted ? [index] : []))
      if (isDone || indices.length === 0) return
      if (!options.mayAskAgain(indices.length)) {
        for (const index of indices) (batch.rows[index] as Call).mark('hedge-refused')
        return
      }
      launch(indices, (part) => options.askAgain(indices, part))
      if (!isDone) arm(clock.now())
    }

    launch([...batch.rows.keys()], (part) => options.askFirst(part))
    busyMs = clock.now() - startedAt
    arm(startedAt)
  })
