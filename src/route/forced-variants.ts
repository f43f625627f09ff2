/** Variants that a call must have, whoever it is: a replay asks as it was recorded. */

const forced = new WeakMap<object, ReadonlyMap<string, string>>()
// Nobody pays for what only replays use.
let isUsed = false

/**
 * Sends a call to these variants, by the split's name. To be said before the call is bound: in the `bind` of a layer outside of the splits.
 * One that a split does not have is passed over.
 */
export const forceVariants = (call: object, variants: ReadonlyMap<string, string>): void => {
  isUsed = true
  forced.set(call, variants)
}

/** The variant that a call must have in a split. */
export const forcedVariant = (call: object, split: string): string | undefined => (isUsed ? forced.get(call)?.get(split) : undefined)
