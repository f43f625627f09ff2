/**
 * Who uses what, and who is about to remove what: two kinds of small files that expire.
 *
 * Whoever relies on something that may be removed (a publish that finds a blob there already, an alias that moves to a
 * version, a loader) first writes a hold that names it, then looks whether a collection names it, and if so waits. A
 * collection first writes what it is about to remove, then looks at the holds, and spares what they name. Each writes
 * before it looks, so at least one of the two sees the other (Dekker's rule), whatever happens in between. There is no
 * lock, and nobody waits but for the very thing that is being removed.
 *
 * A claim ends by its time, which is part of its name, so that a process that died holds nothing for long. What that
 * leaves to chance: a process that stands still for minutes between its last look at the clock and its very next write.
 */
import type { Clock } from '../../core/clock.js'
import { uniqueName } from '../../store/atomic-file.js'
import { canonicalJson } from '../manifest/canonical-json.js'
import { Hold } from './_hold.js'
import { claimUntil, collectingFolder, holdsFolder } from './_layout.js'
import { readSmall } from './_read.js'
import type { ModelDepot } from './depot.js'

/** How far the clocks of two processes may be apart. */
export const marginMs = 30_000
/** How long a collection may remove what it has named. One that has died makes those wait who want just that. */
const collectMs = 120_000
const pollMs = 50
const maxClaimBytes = 64 * 1024 * 1024

/** A claim that counts. */
interface Claim {
  /** Keys of blobs and folders of versions; `undefined` if it cannot be read: then it names everything. */
  readonly things: ReadonlySet<string> | undefined
  readonly by: string | null
}

/** What a collection may do. */
export interface Collecting {
  /** Those of its things that nobody holds. */
  readonly free: ReadonlySet<string>
  /** Who holds the others. */
  readonly heldBy: readonly string[]
  /** Whether there is time left to remove one more. */
  isOpen(): boolean
}

const parse = (bytes: Uint8Array): Claim => {
  try {
    const { things, by } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly things: readonly string[]; readonly by: string | null }
    return { things: new Set(things), by }
  } catch {
    return { things: undefined, by: null } // not flushed before a power cut, or damaged: it counts, for everything
  }
}

/** The holds and collections of a depot. */
export class Claims {
  readonly depot: ModelDepot
  readonly clock: Clock

  constructor(depot: ModelDepot, clock: Clock) {
    this.depot = depot
    this.clock = clock
  }

  /** Makes a claim and gives its key. */
  async write(folder: string, until: number, things: readonly string[], by: string | null, durable: boolean): Promise<string> {
    const key = `${folder}${Math.ceil(until)}-${uniqueName()}.json`
    await this.depot.create(key, new TextEncoder().encode(canonicalJson({ things, by })), { durable })
    return key
  }

  /** Calls `use` while things are held; nobody is removing them by then. */
  async holding<T>(things: readonly string[], use: (hold: Hold) => Promise<T>): Promise<T> {
    const hold = new Hold(this, things)
    try {
      await hold.renew()
      return await use(hold)
    } finally {
      await hold.release().catch(() => {}) // then it ends by its time
    }
  }

  /** Calls `use` with those of the things that nobody holds; who wants one of them meanwhile waits. */
  async collecting<T>(things: readonly string[], use: (collecting: Collecting) => Promise<T>): Promise<T> {
    const until = this.clock.wall() + collectMs
    const key = await this.write(collectingFolder, until, things, null, true)
    try {
      return await use({ ...await this.held(things), isOpen: () => this.clock.wall() < until })
    } finally {
      await this.depot.remove(key)
    }
  }

  /** Which of the things nobody holds right now, and who holds the others. */
  async held(things: readonly string[]): Promise<Pick<Collecting, 'free' | 'heldBy'>> {
    const holds = await this.#live(holdsFolder)
    const isHeld = (thing: string) => ({ things: held }: Claim): boolean => held?.has(thing) ?? true
    return {
      free: new Set(things.filter((thing) => !holds.some(isHeld(thing)))),
      heldBy: holds.filter((hold) => things.some((thing) => isHeld(thing)(hold))).map(({ by }) => by ?? 'somebody'),
    }
  }

  /** Waits while a collection names one of the things. */
  async whileCollected(things: readonly string[]): Promise<void> {
    while ((await this.#live(collectingFolder)).some(({ things: collected }) => collected === undefined || things.some((thing) => collected.has(thing)))) {
      await new Promise<void>((resolve) => { this.clock.setTimeout(resolve, pollMs) })
    }
  }

  /** The claims that count. Read until nothing new turns up: one that is gone when it is read may have been renewed under another name. */
  async #live(folder: string): Promise<Claim[]> {
    const read = new Map<string, Claim | undefined>()
    for (;;) {
      const now = this.clock.wall()
      const fresh = (await this.depot.names(folder)).filter((name) => !read.has(name) && now < (claimUntil(name) ?? 0) + marginMs)
      if (fresh.length === 0) return [...read.values()].filter((claim) => claim !== undefined)
      for (const name of fresh) {
        const bytes = await readSmall(this.depot, folder + name, maxClaimBytes)
        read.set(name, bytes === undefined ? undefined : parse(bytes))
      }
    }
  }

  /** The keys of claims whose time is over. */
  async expired(): Promise<string[]> {
    const now = this.clock.wall()
    const keys: string[] = []
    for (const folder of [holdsFolder, collectingFolder]) {
      for (const name of await this.depot.names(folder)) if ((claimUntil(name) ?? Infinity) + marginMs <= now) keys.push(folder + name)
    }
    return keys
  }
}
