/** The journal of a rollout, followed: entries that others appended, and entries of our own where nobody was first. */
import { OutriggerError } from '../../core/errors.js'
import type { Journal } from '../../store/journal.js'
import { afterEntry, noRollout, type RolloutEntry, type RolloutState } from './state.js'

/** So many entries are kept for the text of a rollout. */
const mostShown = 200

export class FollowedJournal {
  readonly #journal: Journal
  readonly #name: string
  state: RolloutState = noRollout
  /** Entries of the rollout that is under way, or was last. */
  history: RolloutEntry[] = []

  constructor(journal: Journal, name: string) {
    this.#journal = journal
    this.#name = name
  }

  /** Reads what is new. */
  async follow(): Promise<void> {
    await this.#read(this.state.position)
  }

  async #read(from: number): Promise<readonly string[]> {
    const texts = await this.#journal.read(this.#name, from)
    texts.forEach((text, at) => this.#take(text, from + at))
    return texts
  }

  #take(text: string, position: number): void {
    // Two may follow at once: who comes second has nothing to add.
    if (position !== this.state.position) return
    this.state = afterEntry(this.state, text)
    const entry = JSON.parse(text) as RolloutEntry
    if (entry.kind === 'started') this.history = []
    this.history = [...this.history, entry].slice(-mostShown)
  }

  /** Appends what was decided on a state. False if that is not the state any more: what others appended is read, and it must be decided anew. */
  async append(entry: RolloutEntry, on: RolloutState): Promise<boolean> {
    if (on !== this.state) return false
    const text = JSON.stringify(entry)
    // A decision that cannot come here must not be written.
    afterEntry(on, text)
    if (await this.#journal.append(this.#name, on.position, text)) {
      this.#take(text, on.position)
      return true
    }
    // A store that lost its own answer and tried again finds our entry there, and says that somebody was first.
    return (await this.#read(on.position))[0] === text
  }

  /**
   * Appends what a person asks for, whoever else appends meanwhile.
   *
   * @param decide - on the state as it is then; throws if it cannot be, `undefined` if there is nothing to do
   */
  async insist(decide: (state: RolloutState) => RolloutEntry | undefined): Promise<RolloutEntry | undefined> {
    await this.follow()
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const entry = decide(this.state)
      if (entry === undefined || (await this.append(entry, this.state))) return entry
    }
    throw new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot write to the journal ${this.#name} as others always wrote first: current value is 20 attempts`, { reason: 'journal' })
  }
}
