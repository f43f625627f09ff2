import { InvalidOptionError } from '../core/errors.js'
import { stringOption } from '../core/options.js'

/** A directory whose files DuckDB can be told of, or a coded error: it would take these characters for a pattern. */
export const queryableDirectory = (owner: string, directory: string): void => {
  stringOption(owner, 'directory', directory)
  if (/[*?[\]{}]/.test(directory)) throw new InvalidOptionError(`Cannot create ${owner} as \`directory\` must have none of the characters * ? [ ] { }, which are patterns for DuckDB: current value is ${JSON.stringify(directory)}`)
}
