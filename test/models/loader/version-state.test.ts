import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventHub, type StateEvent } from '../../../src/core/events.js'
import { Reporter } from '../../../src/models/loader/_reporter.js'
import { VersionLife } from '../../../src/models/loader/_version-life.js'
import { mayGo, versionStates, type VersionOrigin, type VersionState } from '../../../src/models/loader/version-state.js'
import { fakeClock } from '../../../src/testing/fake-clock.js'
import { FakeSource } from './_loader-kit.js'

const origins: readonly VersionOrigin[] = ['absent', ...versionStates]

describe('the states of a version', () => {
  it('can go where the life of a version goes, and nowhere else', () => {
    const ways = origins.map((from) => [from, versionStates.filter((to) => mayGo(from, to)).join(' ')])
    expect(Object.fromEntries(ways)).toEqual({
      absent: 'discovered',
      discovered: 'verified disposed quarantined',
      verified: 'discovered loading disposed quarantined',
      loading: 'discovered warming disposed quarantined',
      warming: 'discovered checking disposed quarantined',
      checking: 'discovered ready disposed quarantined',
      ready: 'live draining disposed',
      live: 'ready draining',
      draining: 'live disposed',
      disposed: '',
      quarantined: 'discovered',
    })
  })

  it('only one that is ready, or drains, can become live, so that nobody answers who has not passed', () => {
    expect(origins.filter((from) => mayGo(from, 'live'))).toEqual(['ready', 'draining'])
    expect(origins.filter((from) => mayGo(from, 'ready'))).toEqual(['checking', 'live'])
  })
})

describe('VersionLife', () => {
  const life = (): { life: VersionLife; events: StateEvent[]; clock: ReturnType<typeof fakeClock> } => {
    const clock = fakeClock()
    const hub = new EventHub()
    const events: StateEvent[] = []
    hub.observe((event) => { if (event.type === 'state') events.push(event) }, false)
    return { life: new VersionLife(new FakeSource().publish(), clock, new Reporter(hub, clock)), events, clock }
  }

  it('tells every step with its reason, the digest, and how long it was in the state before', async () => {
    const { life: one, events, clock } = life()
    one.go('discovered', 'an alias points to it')
    await clock.advance(20)
    one.go('verified', 'hashes')
    await clock.advance(5)
    one.go('discovered', 'again')
    await clock.advance(3)
    one.go('verified', 'hashes', { extra: 1 })
    expect(events.map(({ layer, subject, from, to, reason, data }) => [layer, subject, from, to, reason, data])).toEqual([
      ['model-loader', 'delay@1', 'absent', 'discovered', 'an alias points to it', { digest: one.version.digest }],
      ['model-loader', 'delay@1', 'discovered', 'verified', 'hashes', { digest: one.version.digest, durationMs: 20 }],
      ['model-loader', 'delay@1', 'verified', 'discovered', 'again', { digest: one.version.digest, durationMs: 5 }],
      ['model-loader', 'delay@1', 'discovered', 'verified', 'hashes', { digest: one.version.digest, durationMs: 3, extra: 1 }],
    ])
    expect(one.durations).toEqual({ discovered: 23, verified: 5 })
    expect([one.state, one.since]).toEqual(['verified', clock.wall()])
  })

  it('throws where there is no way, and stays where it is', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom<VersionState>(...versionStates), { maxLength: 30 }), (wanted) => {
      const { life: one, events } = life()
      let state: VersionOrigin = 'absent'
      for (const to of wanted) {
        if (mayGo(state, to)) {
          one.go(to, '')
          state = to
        } else expect(() => one.go(to, '')).toThrow('a mistake in the loader')
        expect(one.state).toBe(state)
      }
      expect(events.every(({ from, to }) => mayGo(from as VersionOrigin, to as VersionState))).toBe(true)
    }))
  })
})
