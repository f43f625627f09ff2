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

class Line {
  readonly kind: CapturedLine['kind']
  readonly id: string
  readonly at: number
  readonly class: string
  readonly schema: CapturedLine['schema']
  readonly text: string
  readonly #writer: string
  readonly #number: number

  constructor(line: Omit<CapturedLine, typeof captured | 'key'>, writer: string, number: number) {
    this.kind = line.kind
    this.id = line.id
    this.at = line.at
    this.class = line.class
    this.schema = line.schema
    this.text = line.text
    this.#writer = writer
    this.#number = number
  }

  /** Most sinks never ask. */
  get key(): string {
    return lineKey(this.#writer, this.#number)
  }
}

export const lineKey = (writer: string, number: number): string => `${writer}-${number}`

/** For the writer alone. */
export const capturedLine = (line: Omit<CapturedLine, typeof captured | 'key'>, writer: string, number: number): CapturedLine => new Line(line, writer, number) as unknown as CapturedLine
