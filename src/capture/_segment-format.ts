/** The first and the last line of a segment. */

/** The first line. */
export interface SegmentHeader {
  readonly kind: 'header'
  readonly v: 1
  readonly class: string
  /** When it was begun, in milliseconds since 1970. */
  readonly from: number
}

/** The last line of a sealed segment. */
export interface SegmentFooter {
  readonly kind: 'footer'
  readonly v: 1
  readonly class: string
  /** How many records are before it. */
  readonly count: number
  /** The times of the earliest and the latest record, in milliseconds since 1970; `null` if there is none. */
  readonly from: number | null
  readonly to: number | null
  /** Ids of the schemas that values were masked by, sorted. */
  readonly schemas: readonly string[]
  /** Of all bytes before this line. */
  readonly sha256: string
  /** Sealed by somebody else, whose copy left out what was torn: so many bytes. */
  readonly torn?: number
}

/** What a footer says of the records, gathered. */
export class SegmentSummary {
  #from = Infinity
  #to = -Infinity
  #last: unknown
  readonly #schemas = new Set<string>()
  count = 0

  /** Counts a record. */
  add(at: number, schema: { readonly input?: string | undefined; readonly output?: string | undefined } | undefined): void {
    this.count += 1
    if (at < this.#from) this.#from = at
    if (at > this.#to) this.#to = at
    // Records of one stack share it.
    if (schema === undefined || schema === this.#last) return
    this.#last = schema
    for (const id of [schema.input, schema.output]) if (typeof id === 'string') this.#schemas.add(id)
  }

  footer(name: string, sha256: string, torn = 0): SegmentFooter {
    return {
      kind: 'footer',
      v: 1,
      class: name,
      count: this.count,
      from: this.count === 0 ? null : this.#from,
      to: this.count === 0 ? null : this.#to,
      schemas: [...this.#schemas].sort(),
      sha256,
      ...(torn === 0 ? {} : { torn }),
    }
  }
}

const kinds: ReadonlySet<unknown> = new Set(['prediction', 'label', 'override', 'change', 'header', 'footer'])

/** A line of a segment; `undefined` if it is none that we wrote. */
export const parseLine = (line: string): { readonly kind: string; readonly [field: string]: unknown } | undefined => {
  try {
    const value = JSON.parse(line) as { readonly kind: string; readonly id?: unknown; readonly at?: unknown } | null
    if (typeof value !== 'object' || value === null || !kinds.has(value.kind)) return undefined
    const isRecord = value.kind !== 'header' && value.kind !== 'footer'
    return isRecord && (typeof value.id !== 'string' || typeof value.at !== 'number') ? undefined : value
  } catch {
    return undefined
  }
}
