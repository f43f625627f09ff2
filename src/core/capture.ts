/** What `Promise.withResolvers` does, which Node 20 has not: an executor that every promise shares costs a call no closure. */

/** What settles the promise that was made last by `new Promise(capture)`: to be read at once. */
export const captured: { resolve: (output: never) => void; reject: (error: unknown) => void } = { resolve: () => {}, reject: () => {} }

/** Keeps in {@link captured} what settles the promise that is being made. */
export const capture = (resolve: (output: never) => void, reject: (error: unknown) => void): void => {
  captured.resolve = resolve
  captured.reject = reject
}
