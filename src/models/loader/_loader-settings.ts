/** The options of a loader, checked and complete. */
import type { LoadSettings } from './_load-version.js'
import type { TriesRule } from './_tries.js'
import type { RoomRule } from './_version-loader.js'
import type { WaitingRule } from './_waiting-room.js'
import type { QuarantinedVersion } from './quarantine.js'

export interface LoaderSettings<I, O> extends LoadSettings<I, O>, TriesRule, RoomRule {
  readonly name: string
  readonly follow: string
  readonly drainMs: number
  readonly keepWarm: number
  /** Calls wait while nothing is live; without a rule they fail. */
  readonly unavailable: WaitingRule | undefined
  readonly quarantined: readonly QuarantinedVersion[] | undefined
}
