/** Where the dashboard's page lies: beside the code of the package, as one file that both builds share. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { InvalidOptionError } from '../core/errors.js'

/** This file; in CommonJS there is no `import.meta`. */
const here = (): string => (typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url)

/** As seen from a shared chunk of the build, and from an entry of it. */
const places = ['../page/dashboard.html', '../../page/dashboard.html']

/**
 * The page as text.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if it is not beside the code, as in a bundle
 */
export const pageText = async (): Promise<string> => {
  const base = here()
  // In the sources it is put together when it is asked for. Not a literal: the package has no bundler.
  if (base.endsWith('.ts')) return await ((await import(new URL('./_bundle-page.ts', base).href)) as { bundlePage(): Promise<string> }).bundlePage()
  const place = places.map((path) => new URL(path, base)).find((url) => url.protocol === 'file:' && existsSync(url))
  if (place === undefined) {
    throw new InvalidOptionError(`Cannot create a dashboard as its page must lie beside outrigger's code, or be passed as the option \`page\` (the text of outrigger's dist/page/dashboard.html, where outrigger is bundled): current value is no file near ${base}`)
  }
  return readFileSync(fileURLToPath(place), 'utf8')
}
