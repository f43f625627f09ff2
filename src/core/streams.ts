/** Outputs that are streams: what a call holds (lease, permit, signal) it keeps until the stream ends. */

/** Whether an output is an async iterable. */
export const isStream = (output: unknown): output is AsyncIterable<unknown> =>
  typeof output === 'object' && output !== null && Symbol.asyncIterator in output && typeof output[Symbol.asyncIterator] === 'function'

/** Ends a stream that nobody will read, so that what is held for it is given back. */
export const discardStream = (stream: AsyncIterable<unknown>): void => {
  const discard = async (): Promise<unknown> => await stream[Symbol.asyncIterator]().return?.()
  // Nobody is left to tell that its end failed.
  discard().catch(() => {})
}

/**
 * The same stream, which calls `onEnd` once: when it is exhausted, fails, its reader leaves, or a part has come and that
 * `isEnough`. Other members of the stream stay as they are.
 */
export const untilEnd = <S extends AsyncIterable<unknown>>(stream: S, onEnd: (failed: boolean, error?: unknown) => void, isEnough?: () => boolean): S => {
  let ended = false
  const end = (failed = false, error?: unknown): void => {
    if (ended) return
    ended = true
    onEnd(failed, error)
  }
  const iterate = (): AsyncIterator<unknown> => {
    const source = stream[Symbol.asyncIterator]()
    const ending = async (step: Promise<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> => {
      try {
        const result = await step
        if (result.done === true || isEnough?.() === true) end()
        return result
      } catch (error) {
        end(true, error)
        throw error
      }
    }
    return {
      next: (value?: unknown) => ending(source.next(value as never)),
      return: async (value?: unknown) => {
        try {
          return source.return === undefined ? { done: true, value } : await source.return(value)
        } finally {
          end()
        }
      },
      throw: (error?: unknown) => ending(source.throw === undefined ? Promise.reject(error as Error) : source.throw(error)),
    }
  }
  // A generator that is driven by hand, without a loop.
  let driven: AsyncIterator<unknown> | undefined
  return new Proxy(stream, {
    get: (target, property) => {
      if (property === Symbol.asyncIterator) return iterate
      if ((property === 'next' || property === 'return' || property === 'throw') && property in target) return (driven ??= iterate())[property]
      const member: unknown = Reflect.get(target, property, target)
      return typeof member === 'function' ? (member as (...args: never[]) => unknown).bind(target) : member
    },
  })
}
