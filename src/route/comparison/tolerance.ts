/** What counts as the same number. */
import { ulpDistance } from './ulp-distance.js'

/** Within any of them two numbers are the same. */
export interface Tolerance {
  /** @default 1e-6 */
  readonly absolute?: number
  /** Of the larger of both. @default 1e-6 */
  readonly relative?: number
  /** So many floating-point numbers apart; of float32, where both are. @default 0 */
  readonly ulps?: number
}

/** How many tolerances two numbers are apart, by the tolerance that allows most. */
export const tolerancesOf = (a: number, b: number, { absolute, relative, ulps }: Required<Tolerance>, isSingle: boolean): number => {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return 0
  const difference = Math.abs(b - a)
  if (!Number.isFinite(difference)) return Infinity
  const allowed = Math.max(absolute, relative * Math.max(Math.abs(a), Math.abs(b)))
  if (difference <= allowed) return difference / allowed
  if (ulps > 0 && ulpDistance(a, b, isSingle) <= ulps) return 1
  return Math.max(difference / allowed, 1 + Number.EPSILON)
}
