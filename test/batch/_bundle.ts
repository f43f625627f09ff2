import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '../..')

/**
 * Makes one plain JavaScript file of a program of the tests, so that a child process starts in a tenth of a second. Packages
 * stay outside; the file lies inside of the project, where they are found.
 */
export const bundled = async (program: string): Promise<string> => {
  const folder = join(root, '.cache/test-batch')
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `${program}.${process.pid}.mjs`)
  await build({
    entryPoints: [join(import.meta.dirname, `${program}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    packages: 'external',
    alias: Object.fromEntries(['batch', 'core', 'testing'].map((name) => [`outrigger/${name}`, join(root, 'src', name, 'index.ts')])),
  })
  return outfile
}
