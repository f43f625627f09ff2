/** Works on pages at the same time, and hands the results on in order. */

/** What is done with pages. */
export interface PageWork<P, R> {
  /** How many pages are worked on at a time. */
  readonly concurrency: number
  /** Ends the work when it fires, and is fired when the work fails. */
  readonly controller: AbortController
  /** Works on a page; once `controller` fires it settles soon. */
  work(page: P): Promise<R>
  /** Takes a result; the next one waits for it. */
  take(result: R): Promise<void>
}

/**
 * Reads pages, works on `concurrency` of them at a time, and takes the results in the order of the pages. One page is read
 * ahead, so that no more than `concurrency + 2` are in memory, however slow whoever takes them. When `controller` fires it ends with
 * the reason; pages that were not taken by then are lost, and nothing is under way any more.
 */
export const pagesInOrder = async <P, R>(pages: AsyncIterable<P>, { concurrency, controller, work, take }: PageWork<P, R>): Promise<void> => {
  const { signal } = controller
  const iterator = pages[Symbol.asyncIterator]()
  const running: Promise<R>[] = []
  let isReading = false
  let giveUp = (_reason: unknown): void => {}
  const onAbort = (): void => giveUp(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  // Not `Promise.race` with one promise of the abort: that would hold every value that ever won until the job ends.
  const orAborted = <T>(promise: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      giveUp = reject
      promise.then(resolve, reject)
      if (signal.aborted) reject(signal.reason as Error)
    })
  const handled = <T>(promise: Promise<T>): Promise<T> => {
    // Somebody awaits it later; until then its failure is not unhandled.
    promise.catch(() => {})
    return promise
  }
  const read = async (): Promise<IteratorResult<P, unknown>> => {
    isReading = true
    try {
      return await iterator.next()
    } finally {
      isReading = false
    }
  }
  let upcoming = handled(read())
  try {
    for (;;) {
      const page = await orAborted(upcoming)
      if (page.done === true) break
      upcoming = handled(read())
      const first = running.length < concurrency ? undefined : { result: await orAborted(running[0] as Promise<R>) }
      if (first !== undefined) void running.shift()
      running.push(handled(work(page.value)))
      if (first !== undefined) await take(first.result)
    }
    for (let first = running.shift(); first !== undefined; first = running.shift()) await take(await orAborted(first))
    if (signal.aborted) throw signal.reason
  } catch (error) {
    controller.abort(error)
    await Promise.allSettled(running)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
    const ended = iterator.return?.()
    // A source that is stuck in a read would hold its end up for ever.
    if (isReading && signal.aborted) ended?.then(undefined, () => {})
    else await ended
  }
}
