/** One record as the writer hands it to sinks: masked, hashed where it must be, and serialised. */

declare const captured: unique symbol

/** A line that the writer of `capture` made. Nothing else makes one, so that sinks have no second path to a raw value. */
export interface CapturedLine {
  readonly [captured]: true
  /** Tells it from every other line of all processes: whoever is given it twice keeps it once. */
  readonly key: string
  readonly kind: 'prediction' | 'label' | 'override' | 'change'
  /** The id of the prediction; empty for a change. */
  readonly id: string
  /** In milliseconds since 1970. */
  readonly at: number
  /** The retention class. */
  readonly class: string
  /** Ids of the schemas that input and output were masked by. */
  readonly schema: { readonly input?: string | undefined; readonly output?: string | undefined } | undefined
  /** The record in JSON, without an end of line. */
  readonly text: string
}

/** For the writer alone. */
export const capturedLine = (line: Omit<CapturedLine, typeof captured>): CapturedLine => line as CapturedLine
