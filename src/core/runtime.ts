/** What a stack of layers runs on: one clock, one source of randomness. Layers inherit it from what they wrap. */
import { systemClock, type Clock } from './clock.js'
import { ownStream, systemRandom, uuid7, type Random } from './random.js'

/** The clock and the randomness of a predictor and of every layer around it. */
export interface Runtime {
  readonly clock: Clock
  readonly random: Random
  /** A new prediction id. */
  newId(): string
}

/** A runtime from parts; what is missing is the machine's own. */
export const runtimeOf = (parts: { readonly clock?: Clock | undefined; readonly random?: Random | undefined } = {}): Runtime => {
  const { clock = systemClock, random = systemRandom() } = parts
  const ids = ownStream(random, 'ids')
  return { clock, random, newId: () => uuid7(clock.wall(), ids) }
}

let shared: Runtime | undefined

/** The runtime of predictors that are given none. Made at first use, so that an import does nothing. */
export const systemRuntime = (): Runtime => (shared ??= runtimeOf())
