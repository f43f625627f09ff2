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
    for (const text of await this.#journal.read(this.#name, this.state.position)) this.#take(text)
  }

  #take(text: string): void {
    this.state = afterEntry(this.state, text)
    const entry = JSON.parse(text) as RolloutEntry
    if (entry.kind === 'started') this.history = []
    this.history = [...this.history, entry].slice(-mostShown)
  }

  /** Appends what was decided on the state as it is. False if others appended meanwhile: what they did is read, and it must be decided anew. */
  async append(entry: RolloutEntry): Promise<boolean> {
    const text = JSON.stringify(entry)
    // A decision that cannot come here must not be written.
    afterEntry(this.state, text)
    if (await this.#journal.append(this.#name, this.state.position, text)) {
      this.#take(text)
      return true
    }
    await this.follow()
    return false
  }

  /**
   * Appends what a person asks for, whoever else appends meanwhile.
   *
   * @param decide - on the state as it is then; throws if it cannot be
   */
  async insist(decide: (state: RolloutState) => RolloutEntry): Promise<void> {
    await this.follow()
    for (let attempt = 0; attempt < 20; attempt += 1) if (await this.append(decide(this.state))) return
    throw new OutriggerError('ERR_OUTRIGGER_ROLLOUT', `Cannot write to the journal ${this.#name} as others always wrote first: current value is 20 attempts`, { reason: 'journal' })
  }
}
