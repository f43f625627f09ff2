/** Reads parts of a saved state; what is none throws. */
import { DDSketch, type DDSketchState } from '../stats/ddsketch.js'
import { Moments, type MomentsState } from '../stats/moments.js'

export const countOf = (value: unknown): number => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError(`${String(value)} is no count`)
  return value as number
}

export const finiteOf = (value: unknown): number => {
  if (!Number.isFinite(value)) throw new TypeError(`${String(value)} is no number`)
  return value as number
}

export const savedText = (value: unknown): string => {
  if (typeof value !== 'string') throw new TypeError(`${String(value)} is no text`)
  return value
}

export const savedMoments = ({ count, mean, squares }: MomentsState): Moments => new Moments({ count: countOf(count), mean: finiteOf(mean), squares: finiteOf(squares) })

/** Its own checksum says whether it was changed. */
export const savedSketch = (state: DDSketchState): DDSketch => {
  if (state?.sketch === undefined) throw new TypeError('a sketch is missing')
  return new DDSketch(state)
}
