import { InvalidOptionError } from '../../core/errors.js'
import { numberOption } from '../../core/options.js'
import type { DetectorState } from './stream-detector.js'

/** What the two HDDM detectors have in common. */
export interface ConfidenceOptions {
  /** Probability of a false drift in one look. @default 0.001 */
  readonly driftConfidence?: number
  /** Probability of a false warning in one look; at least `driftConfidence`. @default 0.005 */
  readonly warningConfidence?: number
  /** Whether falls are looked for as well as rises. @default false */
  readonly twoSidedTest?: boolean
  /** The state of another one, to go on from; its options need not be given again. */
  readonly state?: DetectorState
}

/** The checked options, defaults filled in. */
export const confidenceOptions = (kind: string, options: ConfidenceOptions): { readonly driftConfidence: number; readonly warningConfidence: number; readonly twoSidedTest: boolean } => {
  const { driftConfidence = 0.001, warningConfidence = 0.005, twoSidedTest = false } = options
  numberOption(kind, 'driftConfidence', driftConfidence, { min: 0, max: 1, exclusive: true })
  numberOption(kind, 'warningConfidence', warningConfidence, { min: driftConfidence, max: 1 })
  if (typeof twoSidedTest !== 'boolean') throw new InvalidOptionError(`Cannot create ${kind} as \`twoSidedTest\` must be true or false: current value is ${String(twoSidedTest)}`)
  return { driftConfidence, warningConfidence, twoSidedTest }
}
