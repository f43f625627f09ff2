/**
 * The files of a directory of segments. Everything that others must know of a segment that is not sealed is in its name:
 *
 * ```
 * standard.1732714080000.1732717680000.4f0c….open        a writer appends to it, until that time at most
 * standard.1732714080000.1732717680000.4f0c….8192.cut    its writer failed, and goes on elsewhere; so many bytes of it count
 * standard.1732714080000.1732717680000.4f0c….jsonl       sealed: it ends with a footer, and never changes
 * ```
 */
import { InvalidOptionError } from '../core/errors.js'
import { uniqueName } from '../store/atomic-file.js'

/** What the name of a segment says. */
export interface SegmentName {
  /** The name without what its state adds. */
  readonly stem: string
  readonly class: string
  /** When it was begun, and when its writer is through with it at the latest; in milliseconds since 1970. */
  readonly from: number
  readonly until: number
  readonly state: 'open' | 'cut' | 'sealed'
  /** So many bytes of it count. */
  readonly bytes: number
  readonly file: string
}

const pattern = /^(([a-z0-9_-]{1,40})\.(\d{1,15})\.(\d{1,15})\.[0-9a-f-]{36})(\.open|\.(\d{1,15})\.cut|\.jsonl)$/

/** What a file name says; `undefined` if it is none of ours. */
export const parseSegmentName = (file: string): SegmentName | undefined => {
  const match = pattern.exec(file)
  if (match === null) return undefined
  const [, stem, name, from, until, end, bytes] = match as unknown as [string, string, string, string, string, string, string?]
  return { stem, class: name, from: Number(from), until: Number(until), state: end === '.open' ? 'open' : end === '.jsonl' ? 'sealed' : 'cut', bytes: bytes === undefined ? Infinity : Number(bytes), file }
}

/** A name that nobody else has. */
export const newStem = (name: string, from: number, until: number): string => `${name}.${Math.floor(from)}.${Math.ceil(until)}.${uniqueName()}`

export const openFile = (stem: string): string => `${stem}.open`
export const cutFile = (stem: string, bytes: number): string => `${stem}.${bytes}.cut`
export const sealedFile = (stem: string): string => `${stem}.jsonl`

/** The name of a retention class, or a coded error. */
export const className = (owner: string, name: unknown): string => {
  if (typeof name !== 'string' || !/^[a-z0-9_-]{1,40}$/.test(name)) {
    throw new InvalidOptionError(`Cannot create ${owner} as a retention class must have a name of at most 40 small letters, digits, - and _: current value is ${JSON.stringify(name)}`)
  }
  return name
}

/** The segments among the files of a directory, each once, in the order in which they were begun: between two steps of its sealing one has two names. */
export const segmentsAmong = (files: readonly string[]): SegmentName[] => {
  const byStem = new Map<string, SegmentName>()
  for (const file of files) {
    const name = parseSegmentName(file)
    if (name === undefined) continue
    const known = byStem.get(name.stem)
    if (known === undefined || known.state === 'open' || name.state === 'sealed') byStem.set(name.stem, name)
  }
  return [...byStem.values()].sort((a, b) => a.from - b.from || (a.stem < b.stem ? -1 : 1))
}
