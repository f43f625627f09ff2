/** The lines of a segment, whatever state it is in. */
import { openIfThere, type FileSystem } from '../store/file-system.js'

const chunkBytes = 1 << 20
/** A longer line is none of ours: what a damaged file has in the place of ends of lines must not fill the memory. */
const maxLineBytes = 1 << 26

/** Some whole lines of a file, and where the next one begins. */
export interface LinePage {
  /** Their bytes; each line ends with `\n`. */
  readonly bytes: Buffer
  /** Where they begin in the file. */
  readonly at: number
}

/**
 * The whole lines of a file up to `limit` bytes, in pages that are valid until the next one is asked for; `undefined` pages never come. What
 * follows the last end of line is the `rest`, told by its length at the end.
 *
 * @returns the length of the rest, or `undefined` if there is no such file
 */
export async function* linePages(fileSystem: FileSystem, path: string, limit: number): AsyncGenerator<LinePage, number | undefined> {
  const handle = await openIfThere(fileSystem, path)
  if (handle === undefined) return undefined
  try {
    let buffer = Buffer.allocUnsafe(chunkBytes)
    let position = 0
    let kept = 0
    for (;;) {
      if (kept === buffer.length) {
        if (kept >= maxLineBytes) return kept
        buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)])
      }
      const room = Math.min(buffer.length - kept, limit - position)
      const { bytesRead } = room === 0 ? { bytesRead: 0 } : await handle.read(buffer, kept, room, position)
      if (bytesRead === 0) return kept
      const end = buffer.lastIndexOf(10, kept + bytesRead - 1) + 1
      const start = position - kept
      position += bytesRead
      kept += bytesRead
      if (end === 0) continue
      yield { bytes: buffer.subarray(0, end), at: start }
      buffer.copyWithin(0, end, kept)
      kept -= end
    }
  } finally {
    await handle.close()
  }
}

/** The texts of the lines of a page. */
export const linesOf = (page: Buffer): string[] => {
  const lines = page.toString('utf8').split('\n')
  lines.pop()
  return lines
}
