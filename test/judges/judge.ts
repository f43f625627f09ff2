/**
 * A judge runs our code against the real thing where that is too heavy for every `npm test`: a TensorFlow wheel, an
 * MLflow server. `test/judges/<name>/judge.ts` exports `judge: Judge`; `npm run judges` runs them and writes what was
 * seen to `test/judges/results/<name>.md`, which is committed.
 */

/** One thing that was looked at. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  /** What was seen, in a line: figures and short texts, no path of this machine. */
  readonly detail: string
}

/** What a judge saw. */
export interface Verdict {
  /** The versions of what was judged against. Node's own is added. */
  readonly versions: Readonly<Record<string, string>>
  readonly checks: readonly Check[]
}

export type Judge = () => Promise<Verdict>

/** Thrown by a judge that cannot run here (no pip, no index): that is no failure, and the committed result stays. */
export class CannotJudge extends Error {
  override readonly name: string = 'CannotJudge'
}

/** Runs `look`, whose text is the detail; what it throws makes the check fail with its message. */
export const check = async (name: string, look: () => Promise<string> | string): Promise<Check> => {
  try {
    return { name, ok: true, detail: await look() }
  } catch (error) {
    if (error instanceof CannotJudge) throw error
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}
