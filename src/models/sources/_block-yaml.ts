/**
 * The part of YAML that Python writes by default: block mappings and sequences, and scalars that are plain or quoted,
 * also over several lines. Everything else (anchors, tags, block scalars, flow collections that are not empty) reads as
 * `undefined`: what we look for is never written so.
 */

/** What is read: every scalar is a text, or null. */
export type YamlValue = string | null | undefined | readonly YamlValue[] | { readonly [key: string]: YamlValue }

const maxDepth = 64

/** Thrown for what is no such YAML. */
export class YamlError extends Error {}

const indentOf = (line: string): number => line.length - line.trimStart().length

const escapes: Readonly<Record<string, string>> = { 0: '\0', a: '\x07', b: '\b', t: '\t', '\t': '\t', n: '\n', v: '\v', f: '\f', r: '\r', e: '\x1b', ' ': ' ', '"': '"', '/': '/', '\\': '\\', N: '\x85', _: '\xa0', L: '\u2028', P: '\u2029' }

/** Lines of a quoted scalar as one text: one line break is a space, n of them are n - 1. */
const fold = (lines: readonly string[]): string => {
  let text = (lines[0] as string).trimEnd()
  let blank = 0
  if (lines.length === 1) return lines[0] as string
  for (const [index, line] of lines.slice(1).entries()) {
    const isLast = index === lines.length - 2
    const content = isLast ? line.trimStart() : line.trim()
    if (content === '' && !isLast) {
      blank += 1
      continue
    }
    text += (blank === 0 ? ' ' : '\n'.repeat(blank)) + content
    blank = 0
  }
  return text
}

const unescape = (text: string): string =>
  text.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gs, (_, x?: string, u?: string, U?: string, one?: string) => {
    if (one === undefined) {
      const point = Number.parseInt((x ?? u ?? U) as string, 16)
      if (point > 0x10ffff) throw new YamlError(`no character ${point}`)
      return String.fromCodePoint(point)
    }
    const found = escapes[one]
    if (found === undefined) throw new YamlError(`an unknown escape \\${one}`)
    return found
  })

/** Where a quoted text that begins before `from` ends in this line, or -1. */
const closing = (line: string, from: number, quote: string): number => {
  for (let index = from; index < line.length; index += 1) {
    if (quote === '"' && line[index] === '\\') index += 1
    else if (line[index] === quote) {
      if (quote === "'" && line[index + 1] === quote) index += 1
      else return index
    }
  }
  return -1
}

class Reader {
  readonly #lines: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#lines = text.split(/\r?\n/)
  }

  /** The next line that says something, or `undefined` at the end. */
  #peek(): string | undefined {
    for (; this.#at < this.#lines.length; this.#at += 1) {
      const line = this.#lines[this.#at] as string
      const content = line.trim()
      if (content !== '' && !content.startsWith('#') && line !== '---') return line
    }
    return undefined
  }

  document(): YamlValue {
    const first = this.#peek()
    if (first === undefined) return null
    const value = this.#block(indentOf(first), 0)
    const rest = this.#peek()
    if (rest !== undefined) throw new YamlError(`an indent that fits nothing: ${rest.trim().slice(0, 40)}`)
    return value
  }

  #block(indent: number, depth: number): YamlValue {
    if (depth > maxDepth) throw new YamlError('it is nested too deep')
    const content = (this.#peek() as string).trim()
    return content === '-' || content.startsWith('- ') ? this.#sequence(indent, depth) : this.#mapping(indent, depth)
  }

  #sequence(indent: number, depth: number): YamlValue {
    const items: YamlValue[] = []
    for (let line = this.#peek(); line !== undefined && indentOf(line) === indent && /^\s*-( |$)/.test(line); line = this.#peek()) {
      const rest = line.slice(indent + 1).trimStart()
      if (rest === '') {
        this.#at += 1
        items.push(this.#nested(indent, depth))
      } else if (keyOf(rest) !== undefined || rest.startsWith('- ')) {
        // A collection that begins behind the dash: read it as if the dash were part of its indent.
        const inner = line.length - rest.length
        ;(this.#lines as string[])[this.#at] = ' '.repeat(inner) + rest
        items.push(this.#block(inner, depth + 1))
      } else items.push(this.#scalar(rest, indent))
    }
    return items
  }

  #mapping(indent: number, depth: number): YamlValue {
    const fields: Record<string, YamlValue> = Object.create(null) as Record<string, YamlValue>
    for (let line = this.#peek(); line !== undefined && indentOf(line) === indent; line = this.#peek()) {
      if (/^\s*[?:] /.test(line)) {
        this.#skip(indent) // a key too long for its line, then what it means: nothing that we look for
        continue
      }
      const found = keyOf(line.slice(indent))
      if (found === undefined) throw new YamlError(`a line without a key: ${line.trim().slice(0, 40)}`)
      if (found.rest === '') {
        this.#at += 1
        fields[found.key] = this.#nested(indent, depth, true)
      } else fields[found.key] = this.#scalar(found.rest, indent)
    }
    return fields
  }

  /** What stands below a key or a dash, or null. A sequence may stand at the indent of its key. */
  #nested(indent: number, depth: number, mayBeSequence = false): YamlValue {
    const line = this.#peek()
    if (line === undefined) return null
    const inner = indentOf(line)
    if (inner > indent) return this.#block(inner, depth + 1)
    return mayBeSequence && inner === indent && /^\s*-( |$)/.test(line) ? this.#sequence(indent, depth + 1) : null
  }

  #skip(indent: number): void {
    this.#at += 1
    for (let line = this.#lines[this.#at]; line !== undefined && (line.trim() === '' || indentOf(line) > indent); line = this.#lines[this.#at]) this.#at += 1
  }

  #scalar(first: string, indent: number): YamlValue {
    const quote = first[0] as string
    if (quote === "'" || quote === '"') return this.#quoted(first, quote)
    this.#at += 1
    const lines = [first.replace(/[ \t]#.*$/, '')]
    for (let line = this.#lines[this.#at]; line !== undefined && (line.trim() === '' || indentOf(line) > indent); line = this.#lines[this.#at]) {
      lines.push(line)
      this.#at += 1
    }
    while (lines.length > 1 && (lines.at(-1) as string).trim() === '') lines.pop()
    const text = fold(lines).trim()
    if (text === '[]') return []
    if (text === '{}') return {}
    if ('&*!|>%@`[{'.includes(text[0] as string)) return undefined
    return text === 'null' || text === '~' ? null : text
  }

  #quoted(first: string, quote: string): string {
    const lines: string[] = []
    let line = first.slice(1)
    for (;;) {
      const end = closing(line, 0, quote)
      this.#at += 1
      if (end >= 0) {
        if (!/^\s*(#.*)?$/.test(line.slice(end + 1))) throw new YamlError('something behind a quoted text')
        lines.push(line.slice(0, end))
        return quote === "'" ? fold(lines).replaceAll("''", "'") : unescape(fold(joined(lines)))
      }
      lines.push(line)
      const next = this.#lines[this.#at]
      if (next === undefined) throw new YamlError('a quoted text without an end')
      line = next
    }
  }
}

/** Lines of a double-quoted text, those that end with a backslash joined with the next one. */
const joined = (lines: readonly string[]): string[] => {
  const result: string[] = []
  let open = ''
  for (const [index, line] of lines.entries()) {
    const text = open + (open === '' ? line : line.trimStart())
    const isContinued = index < lines.length - 1 && backslashesAtEnd(text) % 2 === 1
    open = isContinued ? text.slice(0, -1) : ''
    if (!isContinued) result.push(text)
  }
  return result
}

const backslashesAtEnd = (text: string): number => {
  let count = 0
  while (text[text.length - 1 - count] === '\\') count += 1
  return count
}

const keyOf = (line: string): { readonly key: string; readonly rest: string } | undefined => {
  const quote = line[0]
  if (quote === "'" || quote === '"') {
    const end = closing(line, 1, quote)
    const colon = /^:(?: +|$)/.exec(line.slice(end + 1))
    if (end < 0 || colon === null) return undefined
    const raw = line.slice(1, end)
    return { key: quote === "'" ? raw.replaceAll("''", "'") : unescape(raw), rest: line.slice(end + 1 + colon[0].length).trimEnd() }
  }
  const match = /^((?![#&*!|>%@`[\]{},"'])(?![?:-](?:\s|$)).*?):(?: +(.*))?$/.exec(line.trimEnd())
  return match === null ? undefined : { key: (match[1] as string).trimEnd(), rest: match[2] ?? '' }
}

/** @throws {@link YamlError} */
export const readBlockYaml = (text: string): YamlValue => new Reader(text).document()
