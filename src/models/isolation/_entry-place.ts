/** Where the program of workers and processes lies. */
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { InvalidOptionError } from '../../core/errors.js'

/** This file; in CommonJS there is no `import.meta`. */
const here = (): string => (typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url)

/** As seen from here in the sources, from a shared chunk of the build, and from an entry of it. */
const places = ['./entry.js', './models/isolation/entry.js', './isolation/entry.js', '../models/isolation/entry.js']

/**
 * The file to start.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if it is not beside the code, as in a bundle
 */
export const entryPlace = (): URL => {
  const base = here()
  if (base.endsWith('.ts')) return new URL('./entry.ts', base)
  for (const place of places) {
    const url = new URL(place, base)
    if (url.protocol === 'file:' && existsSync(url)) return url
  }
  throw new InvalidOptionError(`Cannot isolate the engine as the program that workers and processes start with must lie beside outrigger's code, or be named by the option \`entry\` (a file that calls isolateMain(), where outrigger is bundled): current value is no file near ${base}`)
}

/** Whether Node needs help to run the file: it is ours in TypeScript, as in our own tests. */
export const isTypeScript = (entry: URL): boolean => entry.pathname.endsWith('.ts')
