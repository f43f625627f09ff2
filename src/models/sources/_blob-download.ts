/** A blob over HTTP: exactly the declared bytes, in order, over as many connections as it takes. */
import type { Answer, HttpClient } from './_http-client.js'
import { Attempts, type AttemptOptions } from './_attempts.js'
import { isTransient, sourceCorrupt, sourceFailed } from './_source-errors.js'

/** What is downloaded. */
export interface BlobDownload {
  /** What for: `read model.onnx of delay@3`. */
  readonly action: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** The size that it must have. */
  readonly bytes: number
  /** How many of them are there already. */
  readonly from: number
  /** Takes the next bytes; they are its own. */
  onChunk(chunk: Uint8Array): Promise<void> | void
}

/**
 * Downloads the bytes from `from` to the end. A connection that is cut is taken up again where it ended (`Range`, and
 * `If-Range` where the server named the content); a server that knows no ranges, or answers with another one than was
 * asked for, sends everything again, and what is there already is passed over. Whether the bytes are the right ones is
 * for their hash to say.
 *
 * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if the server has more or fewer bytes; what {@link HttpClient.get} throws
 */
export const downloadBlob = async (client: HttpClient, download: BlobDownload, options: AttemptOptions): Promise<void> => {
  const { action, path, query, bytes } = download
  const attempts = new Attempts(options)
  let offset = download.from
  let mayRange = true
  let etag: string | undefined
  /** Where the last answer ended, in order, although bytes were missing. */
  let shortAt: number | undefined
  let milestone = offset + progressBytes(bytes)

  const attempt = async (): Promise<void> => {
    shortAt = undefined
    const ranged = mayRange && offset > 0
    const headers = ranged ? { range: `bytes=${offset}-`, ...(etag === undefined ? {} : { 'if-range': etag }) } : {}
    const answer = await client.get({ action, path, headers, signal: options.signal, ...(query === undefined ? {} : { query }) })
    try {
      let skip = await startOf()
      etag = strongTag(answer) ?? etag
      for (let chunk = await answer.next(); chunk.length > 0; chunk = await answer.next()) {
        const fresh = chunk.subarray(Math.min(skip, chunk.length))
        skip -= chunk.length - fresh.length
        if (offset + fresh.length > bytes) throw sourceCorrupt(action, `it must have ${bytes} bytes`, 'more')
        if (fresh.length === 0) continue
        await download.onChunk(fresh)
        offset += fresh.length
        if (offset < milestone) continue
        milestone = offset + progressBytes(bytes)
        attempts.progressed()
      }
      if (offset === bytes) return
      // What ended even before what is there already was cut, whatever it looked like.
      shortAt = skip > 0 ? undefined : offset
      throw sourceFailed(action, `it must have ${bytes} bytes`, `${offset}, and the answer ended`, { retryable: true })
    } finally {
      answer.end()
    }

    /** How many of the bytes to come are there already. */
    async function startOf(): Promise<number> {
      const isEncoded = !['', 'identity'].includes(answer.headers.get('content-encoding')?.trim().toLowerCase() ?? '')
      if (answer.status === 200) {
        const length = answer.headers.get('content-length')
        if (!isEncoded && length !== null && Number(length) !== bytes) throw sourceCorrupt(action, `it must have ${bytes} bytes`, length)
        return offset
      }
      const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers.get('content-range') ?? '')
      if (ranged && answer.status === 206 && !isEncoded && range !== null && Number(range[1]) <= offset) {
        if (range[2] !== '*' && Number(range[2]) !== bytes) throw sourceCorrupt(action, `it must have ${bytes} bytes`, range[2])
        return offset - Number(range[1])
      }
      // 416, a range that was not asked for, one of encoded bytes: from now on the whole.
      mayRange = false
      throw sourceFailed(action, `the server must send bytes ${offset} to ${bytes - 1}`, `status ${answer.status}, ${answer.headers.get('content-range') ?? 'no range'}`, { retryable: ranged, status: answer.status })
    }
  }

  while (offset < bytes) {
    const before = offset
    try {
      await attempt()
    } catch (error) {
      await attempts.pauseAfter(error).catch((last: unknown) => {
        // Who ends an answer in order, again at the same place, has no more.
        throw isTransient(last) && shortAt === before ? sourceCorrupt(action, `it must have ${bytes} bytes`, offset) : last
      })
    }
  }
}

/** So much must come before earlier failures are forgotten: who sends a byte per connection gets no new chances for it. */
const progressBytes = (bytes: number): number => Math.min(65_536, Math.ceil(bytes / 16))

/** The name of the content, if it is one that says that every byte is the same. */
const strongTag = (answer: Answer): string | undefined => {
  const tag = answer.headers.get('etag')
  return tag !== null && tag.startsWith('"') ? tag : undefined
}
