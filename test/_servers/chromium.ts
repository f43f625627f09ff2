/** A real Chromium for one test file: Debian's, driven by playwright-core. */
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const program = '/usr/bin/chromium'
const flags = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run']

/** Whether Chromium is installed. With CI=true its absence is an error and not a skip. */
export const hasChromium = (): boolean => {
  const found = existsSync(program)
  if (!found && process.env['CI'] === 'true') throw new Error('Chromium is not installed, and CI=true: install it (.ci/run does).')
  if (!found) console.warn('SKIPPED: Chromium is not installed, so that the pages are not tested in a browser.')
  return found
}

export const startChromium = async (): Promise<Browser> => await chromium.launch({ executablePath: program, headless: true, args: flags })
