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
  let leave = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    leave = () => signal.removeEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
  })
  const handled = <T>(promise: Promise<T>): Promise<T> => {
    // Somebody awaits it later; until then its failure is not unhandled.
    promise.catch(() => {})
    return promise
  }
  handled(aborted)
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
      const page = await Promise.race([upcoming, aborted])
      if (page.done === true) break
      upcoming = handled(read())
      const first = running.length < concurrency ? undefined : { result: await Promise.race([running[0] as Promise<R>, aborted]) }
      if (first !== undefined) void running.shift()
      running.push(handled(work(page.value)))
      if (first !== undefined) await take(first.result)
    }
    for (let first = running.shift(); first !== undefined; first = running.shift()) await take(await Promise.race([first, aborted]))
    if (signal.aborted) throw signal.reason
  } catch (error) {
    controller.abort(error)
    await Promise.allSettled(running)
    throw error
  } finally {
    leave()
    const ended = iterator.return?.()
    // A source that is stuck in a read would hold its end up for ever.
    if (isReading && signal.aborted) ended?.then(undefined, () => {})
    else await ended
  }
}
