/**
 * Who may import whom in `src` (docs: the design's section 3).
 *
 * - A folder imports strictly lower numbers; folders of one number do not know each other.
 * - `testing` is imported by nobody in `src`; it may import everything below it.
 * - Inside `src` the file is imported, never a barrel; a file that starts with `_` is private to its folder.
 * - An `index.ts` re-exports by name.
 * - A package is imported only where it has its place; an optional one only inside its adapter.
 * - No cycle of imports that exist at run time (`import type` is erased, so it may point back).
 */
import { posix } from 'node:path'
import ts from 'typescript'

/** The number of each folder. A new folder is added here and in the design. */
export const levels: Readonly<Record<string, number>> = {
  core: 0,
  stats: 1,
  schema: 1,
  policy: 1,
  store: 1,
  compose: 2,
  resilience: 2,
  cache: 2,
  batch: 2,
  drift: 2,
  experiment: 2,
  calibrate: 2,
  models: 2,
  quality: 3,
  route: 3,
  features: 3,
  capture: 3,
  observe: 4,
  debug: 4,
  govern: 4,
  serve: 5,
  testing: 5,
  cli: 6,
}

/** Where a package may be imported; a value ending in `/` is a folder, anything else one file. Not listed: nowhere. */
export const packagePlaces: Readonly<Record<string, readonly string[]>> = {
  'lru-cache': ['cache/'],
  '@duckdb/node-api': ['store/duckdb.ts'],
  'p-retry': ['resilience/retry.ts', 'resilience/_p-retry.ts'],
  '@opentelemetry/api': ['observe/'],
  // Built into the page, not imported by the package.
  uplot: ['serve/page/'],
  esbuild: ['serve/_bundle-page.ts'],
  'onnxruntime-node': ['models/engines/onnx.ts'],
  '@tensorflow/tfjs': ['models/engines/tfjs/', 'models/engines/tfjs.ts'],
  '@tensorflow/tfjs-node': ['models/engines/tfjs/', 'models/engines/tfjs.ts'],
}

/** Folders that the root does not re-export: their peers are optional, or they are for tests or the shell. */
const notInRoot = new Set(['observe', 'testing', 'cli'])

/** A file of `src`, its path relative to `src` with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

interface Import {
  readonly specifier: string
  readonly line: number
  /** Whether it exists at run time. */
  readonly runtime: boolean
  /** `export * from`, which names nothing. */
  readonly star: boolean
}

const importsOf = ({ path, text }: SourceFile): Import[] => {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found: Import[] = []
  const add = (node: ts.Node, specifier: ts.Node | undefined, runtime: boolean, star = false): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
    found.push({ specifier: specifier.text, line, runtime, star })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause
      const named = clause?.namedBindings
      const allTypes = named !== undefined && ts.isNamedImports(named) && clause?.name === undefined && named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly)
      add(node, node.moduleSpecifier, clause === undefined || !(clause.isTypeOnly || allTypes))
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, !node.isTypeOnly, node.exportClause === undefined)
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], true)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, false)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

const packageOf = (specifier: string): string => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
const folderOf = (path: string): string | undefined => (path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined)

const cycles = (graph: ReadonlyMap<string, readonly string[]>): string[][] => {
  const state = new Map<string, 'open' | 'done'>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (path: string): void => {
    state.set(path, 'open')
    stack.push(path)
    for (const next of graph.get(path) ?? []) {
      if (state.get(next) === 'open') found.push([...stack.slice(stack.indexOf(next)), next])
      else if (!state.has(next)) visit(next)
    }
    stack.pop()
    state.set(path, 'done')
  }
  for (const path of graph.keys()) if (!state.has(path)) visit(path)
  return found
}

/** What is wrong, one line each: `src/<path>:<line> …`. */
export const importProblems = (files: readonly SourceFile[]): string[] => {
  const problems: string[] = []
  const known = new Set(files.map((file) => file.path))
  const graph = new Map<string, string[]>()

  for (const file of files) {
    const edges: string[] = []
    graph.set(file.path, edges)
    const from = folderOf(file.path)
    const isBarrel = posix.basename(file.path) === 'index.ts'
    const level = from === undefined ? Infinity : levels[from]
    if (from !== undefined && level === undefined) {
      problems.push(`src/${from} has no number: add it to the design and to test/gate/import-directions.ts`)
      continue
    }
    for (const { specifier, line, runtime, star } of importsOf(file)) {
      const at = `src/${file.path}:${line}`
      if (star && isBarrel) problems.push(`${at} re-exports everything of ${specifier}: name what is public`)
      if (specifier.startsWith('node:')) continue
      if (!specifier.startsWith('.')) {
        const name = packageOf(specifier)
        if (name === 'outrigger') problems.push(`${at} imports ${specifier}: import the file by its relative path`)
        else if (!(packagePlaces[name] ?? []).some((place) => (place.endsWith('/') ? file.path.startsWith(place) : file.path === place))) {
          problems.push(`${at} imports ${specifier}, which has no place here (test/gate/import-directions.ts says where packages may be imported)`)
        }
        continue
      }
      if (!specifier.endsWith('.js')) {
        problems.push(`${at} imports ${specifier}: relative imports end in .js`)
        continue
      }
      const target = posix.normalize(posix.join(posix.dirname(file.path), specifier.replace(/\.js$/, '.ts')))
      if (!known.has(target)) {
        problems.push(`${at} imports ${specifier}, which is no file of src`)
        continue
      }
      if (runtime) edges.push(target)
      const to = folderOf(target)
      if (posix.basename(target) === 'index.ts') problems.push(`${at} imports the barrel ${specifier}: import the file`)
      else if (to === undefined) problems.push(`${at} imports ${specifier} of the top of src`)
      if (posix.basename(target).startsWith('_') && posix.dirname(target) !== posix.dirname(file.path)) problems.push(`${at} imports ${specifier}, which is private to its folder`)
      if (to === undefined || to === from) continue
      if (to === 'testing' && from !== 'testing') problems.push(`${at} imports testing, which is for tests only`)
      else if (from === undefined && notInRoot.has(to)) problems.push(`${at} brings ${to} into the root: it is a subpath of its own`)
      else if (level !== undefined && !((levels[to] ?? Infinity) < level)) problems.push(`${at} imports ${to} (${levels[to] ?? 'no number'}) from ${from} (${level}): only lower numbers`)
    }
    const now = /\bnew Date\(\s*\)/.exec(file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' ')))
    if (now !== null) problems.push(`src/${file.path}:${file.text.slice(0, now.index).split('\n').length} reads the clock by new Date(): take a Clock`)
  }
  for (const cycle of cycles(graph)) problems.push(`import cycle: ${cycle.map((path) => `src/${path}`).join(' → ')}`)
  return problems
}
