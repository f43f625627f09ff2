/**
 * Builds the package: `npm run build`.
 *
 * - `dist/esm` and `dist/cjs`: the code, each subpath a thin `index.js` over shared chunks. Shared, so that there is one copy of
 *   every class and symbol, whichever subpath it comes through.
 * - `dist/types`: the declarations, once, one file per subpath and shared ones; what is private to the package is not in them.
 *   `dist/esm` only refers to them, so that a type is the same type for `import` and for `require`.
 * - `dist/page`: the dashboard's page, one file that both builds read.
 *
 * **Sizes.** npm packs files in the order of their names, so that `dist/cjs/cache-2.js` lies beside `dist/esm/cache-2.js`, and gzip
 * looks back 32 kB. So both have the same text but for their imports and exports, and no chunk is larger than that: the CommonJS
 * build costs a twentieth of the package instead of a third. Other packers give a larger archive and the same package.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { rollup, type OutputChunk, type Plugin, type RollupBuild, type RollupLog } from 'rollup'
import { parseAst } from 'rollup/parseAst'
import { dts } from 'rollup-plugin-dts'
import { minify } from 'terser'
import { bundlePage } from './src/serve/_bundle-page.js'

const root = dirname(fileURLToPath(import.meta.url))
const source = join(root, 'src')
const dist = join(root, 'dist')
const declarations = join(root, '.cache/declarations')
const run = promisify(execFile)

/** Below gzip's window of 32 kB, with room for the imports and exports of a chunk and for the header in the archive. */
const chunkBytes = 30_000

/** ESM-only packages that Jest cannot `require()`, so that the CommonJS build carries them. */
const bundled = ['p-retry', 'is-network-error']

/** One entry for the root and one for each folder of src with an `index.ts`: the subpaths of package.json `exports`. */
const subpaths = ['index', ...readdirSync(source, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(join(source, entry.name, 'index.ts')))
  .map((entry) => `${entry.name}/index`)]
const entriesIn = (folder: string, suffix: string): Record<string, string> =>
  Object.fromEntries(subpaths.map((name) => [name, join(folder, `${name}${suffix}`)]))

/** Files that are started, not imported: the program of isolated engines, and the command line. */
const programs = ['models/isolation/entry', 'cli/entry']

const isOurs = (id: string): boolean => id.startsWith('.') || id.startsWith('/')
const fail = ({ message }: RollupLog): never => {
  throw new Error(message)
}

/** TypeScript without its types, each file under its name. */
const typescript: Plugin = {
  name: 'typescript',
  resolveId: (id, importer) => (id.startsWith('.') && importer?.startsWith(source) === true ? resolve(dirname(importer), id).replace(/\.js$/, '.ts') : null),
  load: async (id) => {
    if (!id.endsWith('.ts')) return null
    // Exported names stay as they are; the rest is as short as it gets.
    const { code } = await transform(readFileSync(id, 'utf8'), { loader: 'ts', target: 'node20', minify: true, tsconfigRaw: { compilerOptions: { target: 'ES2023', verbatimModuleSyntax: true } } })
    return code
  },
}

/**
 * What is left to save in a whole chunk. What files export keeps its name, for stack traces and `inspect`: in what esbuild gave, those are the names of at
 * least four letters. In lines that a debugger can point to.
 */
const smaller: Plugin = {
  name: 'smaller',
  renderChunk: async (code) => {
    const reserved = [...code.matchAll(/[A-Za-z_$][\w$]{3,}/g)].map(([name]) => name)
    const result = await minify(code, {
      module: true,
      compress: { passes: 2, keep_fnames: true, keep_classnames: true },
      mangle: { keep_classnames: true, reserved },
      format: { comments: false, max_line_len: 1000 },
    })
    return result.code as string
  },
}

/** Finds the packages that are bundled. */
const packages: Plugin = {
  name: 'packages',
  resolveId: (id, importer) => (bundled.includes(id) ? createRequire(importer ?? import.meta.url).resolve(id) : null),
}

const graph = async (): Promise<RollupBuild> =>
  await rollup({
    input: { ...entriesIn(source, '.ts'), ...Object.fromEntries(programs.map((name) => [name, join(source, `${name}.ts`)])) },
    plugins: [typescript, smaller],
    external: (id) => !isOurs(id),
    treeshake: { moduleSideEffects: false },
    onwarn: fail,
  })

/**
 * Which chunk a file of src goes into. What the same subpaths need is together, so that nobody loads what they did not ask for;
 * what is more than a chunk may hold is cut in the order in which it runs, so that chunks do not import each other in circles.
 */
const divide = async (build: RollupBuild): Promise<Map<string, string>> => {
  const { output } = await build.generate({ format: 'esm' })
  const chunkOf = new Map<string, string>()
  const count = new Map<string, number>()
  for (const { moduleIds, modules } of output.filter((file): file is OutputChunk => file.type === 'chunk')) {
    let bytes = Infinity
    let name = ''
    for (const id of moduleIds.filter((module) => !/\/(index|entry)\.ts$/.test(module))) {
      bytes += modules[id]?.renderedLength ?? 0
      if (bytes > chunkBytes) {
        const folder = relative(source, dirname(id)).replaceAll(/[/\\]/g, '-')
        const number = (count.get(folder) ?? 0) + 1
        count.set(folder, number)
        name = `${folder}-${number}`
        bytes = modules[id]?.renderedLength ?? 0
      }
      chunkOf.set(id, name)
    }
  }
  return chunkOf
}

/** What is read of a node of rollup's syntax tree (ESTree), and where it stands in the text. */
interface Syntax {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

const isSyntax = (value: unknown): value is Syntax => typeof (value as Syntax | null)?.type === 'string'

const walk = (node: Syntax, visit: (node: Syntax) => void): void => {
  visit(node)
  for (const child of Object.values(node).flat()) if (isSyntax(child)) walk(child, visit)
}

/**
 * A chunk as a CommonJS module: the same text, but for how it imports and exports. Names are bound when the chunk is loaded, which is
 * what ES modules do where no exported name is assigned twice and no chunk imports itself in a circle; the build keeps to both.
 */
const commonJs = ({ code, isEntry, fileName }: OutputChunk): string => {
  const edits: { start: number; end: number; text: string }[] = []
  const replace = ({ start, end }: Syntax, text: string): void => void edits.push({ start, end, text })
  const textOf = (node: unknown): string => code.slice((node as Syntax).start, (node as Syntax).end)
  const pairs = (specifiers: readonly Syntax[], left: string, right: string): string =>
    specifiers.map((one) => (textOf(one[left]) === textOf(one[right]) ? textOf(one[left]) : `${textOf(one[left])}: ${textOf(one[right])}`)).join(', ')
  const names: string[] = []

  walk(parseAst(code) as unknown as Syntax, (node) => {
    const specifiers = (node.specifiers ?? []) as Syntax[]
    const name = isSyntax(node.source) ? String(node.source.value) : ''
    const required = `require('${bundled.includes(name) ? './third-party.js' : name}')`
    switch (node.type) {
      case 'ImportDeclaration': {
        const [first] = specifiers as [Syntax | undefined]
        if (first?.type === 'ImportNamespaceSpecifier') replace(node, `const ${textOf(first.local)} = ${required};`)
        else if (first?.type === 'ImportDefaultSpecifier') replace(node, `const ${textOf(first.local)} = ${required}${bundled.includes(name) ? '.default' : ''};`)
        else replace(node, first === undefined ? `${required};` : `const { ${pairs(specifiers, 'imported', 'local')} } = ${required};`)
        break
      }
      case 'ExportNamedDeclaration':
        names.push(pairs(specifiers, 'exported', name === '' ? 'local' : 'exported'))
        replace(node, name === '' ? '' : `const { ${pairs(specifiers, 'local', 'exported')} } = ${required};`)
        break
      case 'ImportExpression':
        if (name.startsWith('.')) replace(node, `Promise.resolve().then(() => ${required})`)
        break
      case 'MetaProperty':
        if (textOf(node) === 'import.meta') replace(node, "({ url: require('node:url').pathToFileURL(__filename).href })")
        break
      case 'ExportAllDeclaration':
      case 'ExportDefaultDeclaration':
        throw new Error(`Cannot write ${fileName} as CommonJS as it has an ${node.type}`)
    }
  })

  let text = code
  for (const edit of edits.sort((a, b) => b.start - a.start)) text = text.slice(0, edit.start) + edit.text + text.slice(edit.end)
  const mark = isEntry ? "Object.defineProperty(module.exports, '__esModule', { value: true });\n" : ''
  return `'use strict';\n${text.trimEnd()}\nmodule.exports = { ${names.join(', ')} };\n${mark}`
}

const buildCode = async (): Promise<void> => {
  const build = await graph()
  const chunkOf = await divide(build)
  const { output } = await build.write({
    format: 'esm',
    dir: join(dist, 'esm'),
    chunkFileNames: '[name].js',
    manualChunks: (id) => chunkOf.get(id),
    minifyInternalExports: false,
    hoistTransitiveImports: false,
    externalLiveBindings: false,
    generatedCode: { preset: 'es2015', symbols: false },
  })
  // Nobody requires the command line: it is an ES module only.
  for (const chunk of output.filter((file): file is OutputChunk => file.type === 'chunk' && !file.fileName.startsWith('cli'))) {
    const path = join(dist, 'cjs', chunk.fileName)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, commonJs(chunk))
  }
  const thirdParty = await rollup({ input: { 'third-party': bundled[0] as string }, plugins: [packages], external: (id) => !isOurs(id) && !bundled.includes(id), onwarn: fail })
  await thirdParty.write({ format: 'cjs', dir: join(dist, 'cjs'), exports: 'named', esModule: false })
  writeFileSync(join(dist, 'cjs/package.json'), '{ "type": "commonjs", "sideEffects": false }\n')
  writeFileSync(join(dist, 'cjs/THIRD-PARTY.txt'), `The CommonJS build contains code of these packages.\n\n${licences(bundled)}`)
}

const licences = (names: readonly string[]): string =>
  names
    .map((name) => {
      const home = join(root, 'node_modules', name)
      const { version, license } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string; license: string }
      const file = readdirSync(home).find((one) => /^license$/i.test(one)) as string
      return `${name} ${version} (${license})\n\n${readFileSync(join(home, file), 'utf8').trim()}\n`
    })
    .join(`\n${'-'.repeat(80)}\n\n`)

const buildPage = async (): Promise<void> => {
  mkdirSync(join(dist, 'page'), { recursive: true })
  writeFileSync(join(dist, 'page/dashboard.html'), await bundlePage())
  writeFileSync(join(dist, 'page/THIRD-PARTY.txt'), `The page contains code of this package.\n\n${licences(['uplot'])}`)
}

/** What a subpath's `index.ts` opens with: what it is, when to use it, when not. */
const opening = (subpath: string): string => /^\/\*\*[\s\S]*?\*\/\n/.exec(readFileSync(join(source, `${subpath}.ts`), 'utf8'))?.[0] ?? ''

/**
 * Of a comment, the package has what an editor shows first: the opening paragraph, or its first sentence if it is long, and defaults. Parameters, errors, formulas,
 * sources and examples are told on the pages of the docs, and are run where they are written; here they would be a tenth of the archive.
 */
const shortComment = (comment: string): string => {
  const flat = (text: string): string => text.replaceAll(/\s*\n\s*\*?\s*|\s*\*\/$/g, ' ').trim()
  const [prose, ...tags] = comment.slice(3).split(/\s(?=@(?:param|throws|default|returns|deprecated|experimental|example)\b)/)
  const opening = flat((prose as string).replace(/^\s*\*/, '').split(/\n\s*\*\s*\n/)[0] as string)
  const [sentence = opening] = opening.length > 120 ? (/^.{40,}?[.:](?=\s)/.exec(opening) ?? []) : []
  return `/** ${[sentence, ...tags.filter((tag) => !/^@(?:example|throws|returns|param)/.test(tag)).map(flat)].join(' ').replaceAll(/\{@link ([\w.]+)\}/g, '`$1`')} */`
}

const withShortComments = (): void => {
  for (const path of readdirSync(declarations, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.d.ts')).map((name) => join(declarations, name))) {
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/\/\*\*[\s\S]*?\*\//g, shortComment))
  }
}

const buildTypes = async (): Promise<void> => {
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', declarations], { cwd: root }).catch((error: { stdout?: string }) => {
    throw new Error(error.stdout)
  })
  withShortComments()
  // A type that several subpaths share and none exports is a warning, and so an error: who infers it could not name it.
  const types = await rollup({ input: entriesIn(declarations, '.d.ts'), plugins: [dts()], external: (id) => !isOurs(id), onwarn: fail })
  await types.write({
    // One space a level is as clear, and a hundredth of the archive.
    plugins: [{ name: 'indent', renderChunk: (code) => code.replaceAll(/^(?: {4})+/gm, (spaces) => ' '.repeat(spaces.length / 4)) }],
    format: 'esm',
    dir: join(dist, 'types'),
    entryFileNames: '[name].d.ts',
    chunkFileNames: ({ name }) => `${name.replace(/\.d$/, '')}.d.ts`,
    banner: ({ name, isEntry }) => (isEntry ? opening(name) : ''),
    minifyInternalExports: false,
    hoistTransitiveImports: false,
  })
  writeFileSync(join(dist, 'types/package.json'), '{ "type": "commonjs" }\n')
  for (const subpath of subpaths) {
    const path = join(dist, 'esm', `${subpath}.d.ts`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `export * from '${subpath.includes('/') ? '../..' : '..'}/types/${subpath}.js'\n`)
  }
}

for (const folder of [dist, declarations]) rmSync(folder, { recursive: true, force: true })
await Promise.all([buildCode(), buildTypes(), buildPage()])
