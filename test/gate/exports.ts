/**
 * The subpaths of the package. Each folder of `src` with an `index.ts` is one; `package.json` must say so, and the build
 * must have made every file it names. `npm run exports` writes the block after a folder has come or gone.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Folders of `src` that are public, in order. */
export const publicFolders = (root: string): string[] =>
  readdirSync(join(root, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, 'src', entry.name, 'index.ts')))
    .map((entry) => entry.name)
    .sort()

// No `module-sync`: it would give a process one copy whoever loads it, but `import()` beside a `require()` of the same
// package then fails (ERR_REQUIRE_ESM_RACE_CONDITION on Node 24 and 26, an internal error on 20 and 22; tried in 2026).
const target = (stem: string): Record<string, unknown> => ({
  import: { types: `./dist/esm/${stem}.d.ts`, default: `./dist/esm/${stem}.js` },
  require: { types: `./dist/types/${stem}.d.ts`, default: `./dist/cjs/${stem}.js` },
})

/** The `exports` that these folders call for. */
export const exportsFor = (folders: readonly string[]): Record<string, unknown> => ({
  '.': target('index'),
  ...Object.fromEntries(folders.map((folder) => [`./${folder}`, target(`${folder}/index`)])),
  './package.json': './package.json',
})

const leaves = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Object.values(value as Record<string, unknown>).flatMap(leaves)

/** What is wrong with `exports`: one sentence each. The built files are looked at only if `dist` is there. */
export const exportProblems = (declared: Record<string, unknown>, folders: readonly string[], isBuilt: (path: string) => boolean): string[] => {
  const expected = exportsFor(folders)
  const problems: string[] = []
  for (const key of Object.keys(expected)) {
    if (!(key in declared)) problems.push(`package.json exports lacks "${key}": run npm run exports`)
    else if (!isDeepStrictEqual(declared[key], expected[key])) problems.push(`package.json exports says something else about "${key}" than src calls for: run npm run exports`)
  }
  for (const key of Object.keys(declared)) if (!(key in expected)) problems.push(`package.json exports has "${key}", but src has no such folder with an index.ts`)
  for (const path of new Set(leaves(declared))) if (!isBuilt(path)) problems.push(`package.json exports names ${path}, which the build did not make`)
  return problems
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href && process.argv.includes('--write')) {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, unknown>
  manifest['exports'] = exportsFor(publicFolders('.'))
  writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`)
}
