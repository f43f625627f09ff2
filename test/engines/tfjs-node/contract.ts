/**
 * What holds of our engine with the real tfjs-node. `npm test` runs the quick checks where it loads; the judge runs all
 * of them on each Node and commits what was seen.
 */
import type { TfjsNode } from './cached.js'
import { conformanceChecks } from './conformance-checks.js'
import { figureChecks } from './figure-checks.js'
import { isolationChecks } from './isolation-checks.js'
import { lifetimeChecks } from './lifetime-checks.js'
import { modelChecks } from './model-checks.js'
import { savedModelChecks } from './saved-model-checks.js'

/** One promise. `run` throws where it is broken, and else says what was seen. */
export interface ContractCheck {
  readonly name: string
  /** Takes seconds: only the judge runs it. */
  readonly long?: true
  run(tf: TfjsNode): Promise<string>
}

export const contractOf = async (tf: TfjsNode): Promise<readonly ContractCheck[]> => [...modelChecks, ...(await conformanceChecks(tf)), ...savedModelChecks, ...lifetimeChecks, ...isolationChecks, ...figureChecks]
