/** A few things at a time: a disk that flushes and a store far away answer several as fast as one. */

const width = 4

/** Calls `work` for each item, four at a time, and waits for all that were begun before it throws. */
export const inParallel = async <T>(items: readonly T[], work: (item: T, index: number) => Promise<void>): Promise<void> => {
  const rest = items.entries()
  let failure: { readonly error: unknown } | undefined
  const worker = async (): Promise<void> => {
    for (const [index, item] of rest) {
      if (failure !== undefined) return
      await work(item, index).catch((error: unknown) => { failure ??= { error } })
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error
}
