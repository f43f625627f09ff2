/** The budget that many loaders share: who gets room, and who has to go for it. */
import type { Clock } from '../../core/clock.js'
import { hasCode, rejection, type OutriggerError } from '../../core/errors.js'
import { withinLimit } from './_time-limit.js'

/** A version in memory, as the pool sees it. */
export interface Resident {
  readonly subject: string
  readonly bytes: number
  readonly leases: number
  /** Grows with every lease that anybody takes: the smallest was used longest ago. */
  readonly lastUse: number
  /** Previous versions that are only kept warm go before those that are live. */
  readonly isLive: boolean
}

/** A loader, as the pool sees it. */
export interface Tenant {
  /** What it would give up now. */
  readonly residents: readonly Resident[]
  /** Lets one of them go, for a reason. Ends when it is out of memory, or was taken back. */
  letGo(resident: Resident, reason: string): Promise<void>
}

/** A part of the budget, held from before a version is loaded until after it is disposed. */
export interface Room {
  /** Says what the version really holds, once it is loaded. */
  settle(bytes: number): void
  close(): void
}

/** What a loader asks for. */
export interface RoomRequest {
  readonly subject: string
  /** An estimate. */
  readonly bytes: number
  readonly signal: AbortSignal
  /** Gives up the loader's own live version, where nothing else can go. Ends when it has gone. */
  readonly lastResort: (() => Promise<void>) | undefined
}

export class Pool {
  readonly maxBytes: number
  readonly #maxWaitMs: number
  readonly #clock: Clock
  readonly #tenants = new Set<Tenant>()
  readonly #rooms = new Map<Room, number>()
  readonly #going = new Map<Resident, Promise<void>>()
  #bytes = 0
  /** Wakes who waits for room. */
  #wake: (() => void) | undefined
  #tail: Promise<unknown> = Promise.resolve()

  constructor(maxBytes: number, maxWaitMs: number, clock: Clock) {
    this.maxBytes = maxBytes
    this.#maxWaitMs = maxWaitMs
    this.#clock = clock
  }

  /** What is held and promised. */
  get bytes(): number {
    return this.#bytes
  }

  get residents(): readonly Resident[] {
    return [...this.#tenants].flatMap(({ residents }) => residents)
  }

  enter(tenant: Tenant): void {
    this.#tenants.add(tenant)
  }

  leave(tenant: Tenant): void {
    this.#tenants.delete(tenant)
  }

  /**
   * Room for a version. Who asks first is served first, so that a large one does not starve behind small ones.
   *
   * @throws `ERR_OUTRIGGER_MEMORY_BUDGET` if nobody goes in time; what the signal says
   */
  async reserve(request: RoomRequest): Promise<Room> {
    try {
      return await withinLimit({ clock: this.#clock, ms: this.#maxWaitMs, step: `make room for ${request.subject}`, signal: request.signal }, (signal) => {
        const turn = this.#tail.then(() => this.#makeRoom(request, signal))
        this.#tail = turn.catch(() => {})
        return turn
      }, (late) => late.close())
    } catch (error) {
      throw hasCode(error, 'ERR_OUTRIGGER_TIMEOUT') ? this.#exhausted(request) : error
    }
  }

  async #makeRoom({ subject, bytes, lastResort }: RoomRequest, signal: AbortSignal): Promise<Room> {
    let resort = lastResort
    for (;;) {
      signal.throwIfAborted()
      if (this.#bytes + bytes <= this.maxBytes) return this.#hold(bytes)
      // What goes already may be enough.
      if (this.#going.size === 0 && !this.#evictOne(`${subject} needs its room`) && resort !== undefined) {
        await resort()
        resort = undefined
      } else await this.#somethingChanged(signal)
    }
  }

  /** A tenant says so, too: what it has may go now, or not any more. */
  changed(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  /** One waits at a time: the head of the queue. */
  async #somethingChanged(signal: AbortSignal): Promise<void> {
    let leave = (): void => {}
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      leave = resolve
      signal.addEventListener('abort', leave, { once: true })
    })
    signal.removeEventListener('abort', leave)
  }

  /** The least recently used of those that nobody uses; if all are in use, the least recently used, which drains first. */
  #evictOne(reason: string): boolean {
    let chosen: { readonly tenant: Tenant; readonly resident: Resident } | undefined
    for (const tenant of this.#tenants) {
      for (const resident of tenant.residents) {
        if (!this.#going.has(resident) && (chosen === undefined || goesBefore(resident, chosen.resident))) chosen = { tenant, resident }
      }
    }
    if (chosen === undefined) return false
    const { tenant, resident } = chosen
    const gone = tenant.letGo(resident, reason).finally(() => {
      this.#going.delete(resident)
      this.changed()
    })
    this.#going.set(resident, gone)
    return true
  }

  #hold(bytes: number): Room {
    const room: Room = {
      settle: (actual) => {
        if (!this.#rooms.has(room)) return
        this.#set(room, actual)
        this.changed()
        // It turned out larger than its files: others go, now that it is there.
        for (let turn = this.#rooms.size; turn > 0 && this.#bytes - this.#goingBytes > this.maxBytes; turn -= 1) this.#evictOne('a version turned out larger than its files')
      },
      close: () => {
        this.#bytes -= this.#rooms.get(room) ?? 0
        this.#rooms.delete(room)
        this.changed()
      },
    }
    this.#set(room, bytes)
    return room
  }

  #set(room: Room, bytes: number): void {
    this.#bytes += bytes - (this.#rooms.get(room) ?? 0)
    this.#rooms.set(room, bytes)
  }

  get #goingBytes(): number {
    return [...this.#going.keys()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  #exhausted({ subject, bytes }: RoomRequest): OutriggerError {
    return rejection('ERR_OUTRIGGER_MEMORY_BUDGET', `Cannot load ${subject} as it needs about ${bytes} bytes of the pool's ${this.maxBytes}, and nothing else went within ${this.#maxWaitMs} ms: current value is ${this.#bytes} bytes in use`, { bytes, usedBytes: this.#bytes, maxBytes: this.maxBytes })
  }
}

const goesBefore = (a: Resident, b: Resident): boolean => {
  const isFree = (resident: Resident): boolean => resident.leases === 0
  if (isFree(a) !== isFree(b)) return isFree(a)
  if (a.isLive !== b.isLive) return !a.isLive
  return a.lastUse < b.lastUse
}
