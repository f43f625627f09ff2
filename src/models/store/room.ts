/** Memory for the files of models. */

/** Smaller files than this are ordinary buffers. */
const largeBytes = 1 << 20

/**
 * Room for a file. Where it may be shared memory, a large one is: V8 collects its whole heap when tens of megabytes of
 * ordinary buffers came, which holds the event loop for milliseconds.
 */
export const roomFor = (bytes: number, mayShare: boolean): Uint8Array => (mayShare && bytes >= largeBytes ? new Uint8Array(new SharedArrayBuffer(bytes)) : new Uint8Array(bytes))
