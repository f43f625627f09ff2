/** Where rows that failed go. */
import { inspect } from 'node:util'
import { stringOption } from '../core/options.js'
import { FileSink } from './_file-sink.js'
import { readableJson } from './_json.js'
import { jsonLines } from './jsonl-file.js'
import type { DeadLetter } from './scoring-options.js'
import { sinkOf, type RowSink, type Sink } from './sink.js'

/** A letter as one line. An input that is a ring, or throws when it is looked at, is written as text. */
const letterLine = <I>(letter: DeadLetter<I>): string => {
  try {
    return readableJson(letter)
  } catch {
    const { row, input, error } = letter
    return readableJson({ row, text: inspect(input).slice(0, 1 << 16), error })
  }
}

/** A file of dead letters, which is there to be read while the job runs. */
export const deadLetterFile = <I>(path: string): FileSink<DeadLetter<I>> => new FileSink({ path, name: 'JSONL', isOpen: true, format: () => jsonLines(letterLine) })

/** Any place for dead letters as a sink. */
export const deadLetterSink = <I>(owner: string, target: string | Sink<DeadLetter<I>>): RowSink<DeadLetter<I>> =>
  typeof target === 'string' ? deadLetterFile(stringOption(owner, 'deadLetters', target)) : sinkOf(owner, target)
