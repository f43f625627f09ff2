/** Callbacks of users that judge an error. */
import type { LayerHost } from '../core/layer.js'

type Judge = (error: unknown) => boolean

/**
 * A user's judge that cannot break the layer: what it throws becomes a notice, and the layer's default judges instead.
 * Were it to throw on, permits farther out would never be given back.
 */
export const guarded = (host: LayerHost, name: string, judge: Judge | undefined, otherwise: Judge): Judge => {
  if (judge === undefined) return otherwise
  return (error) => {
    try {
      return judge(error)
    } catch (thrown) {
      host.emit({ type: 'notice', message: `\`${name}\` threw; the default decided instead.`, error: thrown })
      return otherwise(error)
    }
  }
}
