/** What the parts of a store work on. */
import type { Clock } from '../../core/clock.js'
import type { Aliases } from './_aliases.js'
import type { Claims } from './_claims.js'
import type { ModelLimits } from './limits.js'
import type { Versions } from './_versions.js'
import type { ModelDepot } from './depot.js'

/** One store, taken apart. */
export interface StoreParts {
  readonly depot: ModelDepot
  readonly clock: Clock
  readonly limits: Required<ModelLimits>
  readonly versions: Versions
  readonly aliases: Aliases
  readonly claims: Claims
}
