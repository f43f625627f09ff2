import { readFileSync, readdirSync, existsSync, writeFileSync } from 'node:fs'
import { transform } from 'esbuild'
import { defineConfig } from 'tsup'
import type { Options } from 'tsup'

/** One entry for the root and one for each folder of src with an `index.ts`: the subpaths of package.json `exports`. */
const folders = readdirSync('src', { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(`src/${entry.name}/index.ts`))
  .map((entry) => entry.name)
const entry = Object.fromEntries([['index', 'src/index.ts'], ...folders.map((name) => [`${name}/index`, `src/${name}/index.ts`])])

const common: Options = {
  entry,
  target: 'node20',
  platform: 'node',
  splitting: true, // shared chunks: one copy of every class and symbol, whichever subpath it comes through
  clean: true,
  dts: false, // declarations come from tsc, see tsconfig.build.json
  sourcemap: false, // the output is not minified and reads like the source
  silent: true,
}

/** ESM-only packages that Jest cannot `require()`, so that the CommonJS build carries them. */
const bundled = ['p-retry', 'is-network-error']

const licences = (): string =>
  bundled
    .map((name) => {
      const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')) as { version: string; license: string }
      return `${name} ${version} (${license})\n\n${readFileSync(`node_modules/${name}/license`, 'utf8').trim()}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)

/** The package has a size to keep, and nobody reads this build: it is there for Jest. The ESM build reads like the source. */
const minifyFiles = async (folder: string): Promise<void> => {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = `${folder}/${name}`
    if (!path.endsWith('.js')) continue
    const { code } = await transform(readFileSync(path, 'utf8'), { minify: true, format: 'cjs', target: 'node20', legalComments: 'none' })
    writeFileSync(path, code)
  }
}

export default defineConfig([
  { ...common, format: 'esm', outDir: 'dist/esm' },
  {
    ...common,
    format: 'cjs',
    outDir: 'dist/cjs',
    outExtension: () => ({ js: '.js' }),
    noExternal: bundled,
    onSuccess: async () => {
      await minifyFiles('dist/cjs')
      writeFileSync('dist/cjs/package.json', '{ "type": "commonjs", "sideEffects": false }\n')
      writeFileSync('dist/cjs/THIRD-PARTY.txt', `The CommonJS build contains code of these packages.\n\n${licences()}`)
    },
  },
])
