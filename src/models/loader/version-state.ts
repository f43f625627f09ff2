/** Where a version stands in a loader, and where it may go from there. Pure. */

/**
 * Where a version stands in a loader.
 *
 * `discovered`: what is followed points to it. `verified`: trusted, fit for the callers of the live one, every hash
 * checked. `loading`, `warming`, `checking`: on its way through the gate. `ready`: loaded and passed, but not live; also a
 * previous version that is kept warm. `live`: it answers new calls. `draining`: it answers only calls that hold it.
 * `disposed`: nothing of it is in memory any more. `quarantined`: refused for what it is; not tried again by itself.
 */
export type VersionState = 'discovered' | 'verified' | 'loading' | 'warming' | 'checking' | 'ready' | 'live' | 'draining' | 'disposed' | 'quarantined'

/** The same, and what it is before anybody knows it. */
export type VersionOrigin = VersionState | 'absent'

/** Who fails for a reason that may pass goes back to `discovered`, and who gives up, or comes too late, ends as `disposed`. */
const edges: Readonly<Record<VersionOrigin, readonly VersionState[]>> = {
  absent: ['discovered'],
  discovered: ['verified', 'quarantined', 'disposed'],
  verified: ['loading', 'discovered', 'quarantined', 'disposed'],
  loading: ['warming', 'discovered', 'quarantined', 'disposed'],
  warming: ['checking', 'discovered', 'quarantined', 'disposed'],
  checking: ['ready', 'discovered', 'quarantined', 'disposed'],
  ready: ['live', 'draining', 'disposed'],
  live: ['ready', 'draining'],
  draining: ['live', 'disposed'],
  disposed: [],
  quarantined: ['discovered'],
}

/** Whether a version may go from one state to another. */
export const mayGo = (from: VersionOrigin, to: VersionState): boolean => edges[from].includes(to)

/** Every state, in the order of a life. */
export const versionStates: readonly VersionState[] = ['discovered', 'verified', 'loading', 'warming', 'checking', 'ready', 'live', 'draining', 'disposed', 'quarantined']
