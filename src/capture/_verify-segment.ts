/** Whether a segment is what was sealed. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { FileSystem } from '../store/file-system.js'
import { isRecordKind } from './_read-record.js'
import { parseLine, type SegmentFooter } from './_segment-format.js'
import { linePages } from './_segment-lines.js'
import type { SegmentName } from './_segment-name.js'
import { wellFormed } from './_serialise.js'

export interface SegmentVerdict {
  readonly records: number
  readonly bytes: number
  /** Lines that are no records. */
  readonly torn: number
  /** Whether half of a surrogate pair is in it, at which DuckDB fails. */
  readonly hasHalf: boolean
  /** Why it is not what was sealed, or `undefined`. Of one that is not sealed it says nothing. */
  readonly reason: string | undefined
}

/** Reads a segment and holds it to its footer; `undefined` if it is gone. */
export const verifySegment = async (fileSystem: FileSystem, directory: string, segment: SegmentName): Promise<SegmentVerdict | undefined> => {
  const hash = createHash('sha256')
  let records = 0
  let bytes = 0
  let torn = 0
  let hasHalf = false
  let footer: SegmentFooter | undefined
  let sha256 = ''
  let isAfterFooter = false
  const pages = linePages(fileSystem, join(directory, segment.file), segment.bytes)
  let page = await pages.next()
  for (; page.done !== true; page = await pages.next()) {
    const whole = page.value.bytes
    bytes += whole.length
    for (let from = 0; from < whole.length;) {
      const end = whole.indexOf(10, from) + 1
      const line = whole.subarray(from, end)
      from = end
      hasHalf ||= line.includes('\\ud') && wellFormed(line.toString()) !== line.toString()
      const value = parseLine(line.toString('utf8', 0, line.length - 1))
      if (value === undefined) torn += 1
      else if (isRecordKind(value.kind)) records += 1
      if (footer !== undefined) isAfterFooter = true
      else if (value?.kind === 'footer') {
        footer = value as unknown as SegmentFooter
        sha256 = hash.digest('hex')
      } else hash.update(line)
    }
  }
  if (page.value === undefined) return undefined
  if (page.value > 0) torn += 1
  return { records, bytes, torn, hasHalf, reason: segment.state === 'sealed' ? reasonOf() : undefined }

  function reasonOf(): string | undefined {
    if (footer === undefined) return 'there is no footer'
    if (sha256 !== footer.sha256) return 'the SHA-256 is another one'
    if (records !== footer.count) return `there are ${records} records and not ${footer.count}`
    return isAfterFooter || (page.value as number) > 0 ? 'something follows the footer' : undefined
  }
}
