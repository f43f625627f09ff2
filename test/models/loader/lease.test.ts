import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Leases } from '../../../src/models/loader/lease.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('Leases', () => {
  it('drains at once when nobody holds one', async () => {
    const leases = new Leases()
    await leases.retire()
    expect(leases.isOver).toBe(true)
    expect(() => leases.acquire()).toThrow('Cannot take a lease')
  })

  it('waits for the last lease, and lets a holder hand its lease on meanwhile', async () => {
    const leases = new Leases()
    leases.acquire()
    let over = false
    const drained = leases.retire().then(() => { over = true })
    leases.acquire()
    leases.release()
    await turn()
    expect([over, leases.held]).toEqual([false, 1])
    leases.release()
    await drained
    expect(leases.retire()).toBe(leases.retire())
  })

  it('refuses a lease that ends twice', () => {
    const leases = new Leases()
    leases.acquire()
    leases.release()
    expect(() => leases.release()).toThrow('ended twice')
  })

  it('is over exactly when it was retired and nobody holds a lease, in any order of events', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom('acquire', 'release', 'retire'), { maxLength: 60 }), (events) => {
      const leases = new Leases()
      let held = 0
      let retired = false
      let over = false
      for (const event of events) {
        if (event === 'retire') {
          retired = true
          void leases.retire()
        } else if (event === 'acquire') {
          if (over) expect(() => leases.acquire()).toThrow()
          else { leases.acquire(); held += 1 }
        } else if (held > 0) { leases.release(); held -= 1 } else expect(() => leases.release()).toThrow()
        over ||= retired && held === 0
        expect([leases.held, leases.isOver]).toEqual([held, over])
      }
    }))
  })
})
