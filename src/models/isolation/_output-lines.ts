/** What an isolate prints, as lines, so many a second at most. Pure. */

const maxLinesPerSecond = 100
const maxLineLength = 4_096

/** Turns text in pieces of any size into lines, and says how many were left out. */
export class OutputLines {
  #rest = ''
  #second = -1
  #count = 0
  #leftOut = 0

  /** The lines that are complete now, those above the limit counted instead. */
  push(text: string, nowMs: number): string[] {
    const parts = (this.#rest + text).split('\n')
    this.#rest = parts.pop() as string
    if (this.#rest.length > maxLineLength) {
      parts.push(this.#rest)
      this.#rest = ''
    }
    return this.#limited(parts, nowMs)
  }

  /** Nothing more comes. */
  end(nowMs: number): string[] {
    const lines = this.#limited(this.#rest === '' ? [] : [this.#rest], nowMs)
    this.#rest = ''
    return this.#leftOut === 0 ? lines : [...lines, this.#tellLeftOut()]
  }

  #tellLeftOut(): string {
    const line = `(${this.#leftOut} lines were left out)`
    this.#leftOut = 0
    return line
  }

  #limited(parts: readonly string[], nowMs: number): string[] {
    const second = Math.floor(nowMs / 1000)
    const lines: string[] = []
    if (second !== this.#second) {
      this.#second = second
      this.#count = 0
    }
    for (const part of parts) {
      if (part.trim() === '') continue
      if (this.#count >= maxLinesPerSecond) {
        this.#leftOut += 1
        continue
      }
      if (this.#leftOut > 0) lines.push(this.#tellLeftOut())
      this.#count += 1
      lines.push(part.length > maxLineLength ? `${part.slice(0, maxLineLength)}…` : part)
    }
    return lines
  }
}
