/** Callbacks of users that judge something. */
import type { LayerHost } from '../core/layer.js'

/**
 * A user's judge that cannot break the layer: what it throws becomes a notice, and the layer's default judges instead.
 * Were it to throw on, permits farther out would never be given back.
 */
export const guarded = <A extends readonly unknown[], R>(host: Pick<LayerHost, 'emit'>, name: string, judge: ((...args: A) => R) | undefined, otherwise: (...args: A) => R): ((...args: A) => R) => {
  if (judge === undefined) return otherwise
  return (...args) => {
    try {
      return judge(...args)
    } catch (thrown) {
      host.emit({ type: 'notice', message: `\`${name}\` threw; the default decided instead.`, error: thrown })
      return otherwise(...args)
    }
  }
}

/** What an input weighs, by a user's function that cannot break the layer: what it throws, or gives and is no weight, becomes a notice, and the default weighs instead. */
export const weigher = <I>(host: LayerHost, name: string, given: ((input: I) => number) | undefined, otherwise: (input: I) => number): ((input: I) => number) =>
  given === undefined
    ? otherwise
    : (input) => {
        let error: unknown
        try {
          const weight = given(input)
          if (weight >= 0) return weight
        } catch (thrown) {
          error = thrown
        }
        host.emit({ type: 'notice', message: `\`${name}\` threw, or gave no number of at least 0; the default weighed instead.`, error })
        return otherwise(input)
      }
