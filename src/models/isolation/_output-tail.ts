/** The last that something wrote: what says best why it crashed. */
const maxLength = 2_048

export class OutputTail {
  #text = ''

  push(text: string): void {
    this.#text = (this.#text + text).slice(-maxLength)
  }

  /** `undefined` if nothing was written. */
  get text(): string | undefined {
    return this.#text === '' ? undefined : this.#text
  }
}
