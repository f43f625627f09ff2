/**
 * Listening to the signals of callers.
 *
 * A service gives one signal of its own (that of its shutdown) to all its calls. A listener for each would make Node warn
 * of a leak at the eleventh, and costs a microsecond; so there is one per signal, for as long as anybody waits.
 */

interface Watched {
  readonly callbacks: Set<() => void>
  readonly fire: () => void
}

const watched = new WeakMap<AbortSignal, Watched>()

const watch = (signal: AbortSignal): Watched => {
  const callbacks = new Set<() => void>()
  const fire = (): void => {
    watched.delete(signal)
    const errors: unknown[] = []
    for (const callback of callbacks) {
      try {
        callback()
      } catch (error) {
        errors.push(error)
      }
    }
    // As if each had listened for itself: one that throws keeps nobody else from hearing.
    if (errors.length > 0) throw errors[0]
  }
  const entry = { callbacks, fire }
  watched.set(signal, entry)
  signal.addEventListener('abort', fire, { once: true })
  return entry
}

/** Calls back once when a signal that has not fired yet fires. Returns what takes the callback away again. */
export const onAbortOf = (signal: AbortSignal, onAbort: () => void): (() => void) => {
  const entry = watched.get(signal) ?? watch(signal)
  // A function of its own, so that the same one may be given twice.
  const callback = (): void => onAbort()
  entry.callbacks.add(callback)
  return () => {
    if (!entry.callbacks.delete(callback) || entry.callbacks.size > 0 || watched.get(signal) !== entry) return
    watched.delete(signal)
    signal.removeEventListener('abort', entry.fire)
  }
}
