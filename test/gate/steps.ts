/** The steps of the gate, those first that others wait for or that take longest. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { runConsumers } from '../consumer/main.js'
import { command } from './command.js'
import { exportProblems, publicFolders } from './exports.js'
import { runFences } from './fences-step.js'
import { importProblems } from './import-directions.js'
import { missingEntries, type Lock } from './lock.js'
import { single, type Result, type Step } from './step.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const cache = join(root, '.cache/gate')
const tarball = join(cache, 'outrigger.tgz')
const bin = (name: string): string => join(root, 'node_modules/.bin', name)
const ci = process.env['CI'] === 'true'

const filesUnder = (folder: string, suffix: string): string[] =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .map((path) => join(folder, path).replaceAll('\\', '/'))
        .filter((path) => path.endsWith(suffix))
        .sort()
    : []

const manifest = (): { exports: Record<string, unknown> } => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }

const tool = (program: string, args: readonly string[]): (() => Promise<Result>) => async () => {
  const { ok, output } = await command(program, args, { cwd: root })
  return single(ok, output)
}

/** Types of everything, type tests (`*.test-d.ts`) included: `tsc` reads them like any file. */
const types = async (): Promise<Result> => {
  const { ok, output } = await command(bin('tsc'), ['--noEmit'], { cwd: root })
  const page = await command(bin('tsc'), ['--noEmit', '-p', 'src/serve/page'], { cwd: root })
  return single(ok && page.ok, output + page.output, [`${filesUnder('test', '.test-d.ts').length} files of type tests`])
}

const directions = async (): Promise<Result> => {
  const files = filesUnder('src', '.ts').map((path) => ({ path: relative('src', path).replaceAll('\\', '/'), text: readFileSync(join(root, path), 'utf8') }))
  const problems = importProblems(files)
  return single(files.length > 0 && problems.length === 0, problems.join('\n') || 'src has no files', [`${files.length} files`])
}

interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** Its limit ends what hangs: 250 s is usual on two cores that other steps share. */
const vitest = (project: string): (() => Promise<Result>) => async () => {
  const report = join(cache, `vitest-${project}.json`)
  rmSync(report, { force: true })
  mkdirSync(cache, { recursive: true })
  const { ok, output } = await command(bin('vitest'), ['run', '--project', project, '--allowOnly=false', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`], { cwd: root, timeoutMs: 480_000 })
  if (!existsSync(report)) return single(false, output)
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as VitestReport
  const brokenFiles = testResults.filter((file) => file.status === 'failed' && file.assertionResults.every((result) => result.status !== 'failed'))
  const skipped = testResults.flatMap((file) =>
    file.assertionResults.filter(({ status }) => status !== 'passed' && status !== 'failed').map(({ status, fullName }) => `${relative(root, file.name)} ${fullName} (${status})`),
  )
  const failed = numFailedTests + brokenFiles.length
  // Vitest also ends with an error for what no test failed with, such as an unhandled rejection.
  return { passed: numPassedTests, failed: failed === 0 && !ok ? 1 : failed, skipped, output, notes: [`${testResults.length} files`] }
}

const fences = async (): Promise<Result> => {
  const markdown = ['README.md', 'CHANGELOG.md', ...filesUnder('docs', '.md')].filter((path) => existsSync(join(root, path)))
  return runFences({ root, markdown, sources: filesUnder('src', '.ts'), folder: join(root, '.cache/fences') })
}

/** Every program of `examples`: a file there, or a folder's `main.ts`. One that knows `--quick` is run so. */
const examples = async (): Promise<Result> => {
  const programs = filesUnder('examples', '.ts').filter((path) => /^examples\/([^/]+\.ts|[^/]+\/main\.ts)$/.test(path))
  const notes: string[] = []
  let output = ''
  let failed = 0
  for (const path of programs) {
    const quick = readFileSync(join(root, path), 'utf8').includes('--quick')
    const ran = await command(process.execPath, ['--import', 'tsx', path, ...(quick ? ['--quick'] : [])], { cwd: root, timeoutMs: 150_000 })
    notes.push(`${path}${quick ? ' --quick' : ''} ${(ran.ms / 1000).toFixed(1)} s`)
    if (!ran.ok) {
      failed += 1
      output += `\n${path}\n${ran.output.slice(-8000)}`
    }
  }
  if (programs.length === 0) return single(false, 'examples has no programs')
  return { passed: programs.length - failed, failed, notes, output }
}

const exportsStep = async (): Promise<Result> => {
  const problems = exportProblems(manifest().exports, publicFolders(root), (path) => existsSync(join(root, path)))
  const imported: string[] = []
  for (const folder of ['', ...publicFolders(root)]) {
    // What Node makes of the built file: it must load, and name something.
    const path = join(root, 'dist/esm', folder, 'index.js')
    const { ok, output, stdout } = await command(process.execPath, ['-e', `import(${JSON.stringify(path)}).then((m) => console.log(Object.keys(m).length))`], { cwd: root })
    if (!ok || Number(stdout) === 0) problems.push(`${relative(root, path)} does not load, or exports nothing:\n${output}`)
    imported.push(`${folder === '' ? '.' : folder} ${stdout.trim()}`)
  }
  return single(problems.length === 0, problems.join('\n'), [`names at run time: ${imported.join(', ')}`])
}

const pack = async (): Promise<Result> => {
  mkdirSync(cache, { recursive: true })
  const { ok, output, stdout } = await command('npm', ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', cache], { cwd: root })
  if (!ok) return single(false, output)
  // An object by package name since npm 11.10, an array before.
  const parsed = Object.values(JSON.parse(stdout) as Record<string, { filename: string; files: { path: string }[] }>)[0]
  if (parsed === undefined) return single(false, output)
  const { filename, files } = parsed
  const missing = ['LICENSE', 'README.md', 'package.json', 'dist/esm/index.js', 'dist/esm/index.d.ts', 'dist/cjs/index.js', 'dist/types/index.d.ts', 'dist/types/package.json', 'dist/cjs/package.json', 'dist/cjs/THIRD-PARTY.txt', 'dist/page/dashboard.html', 'dist/page/THIRD-PARTY.txt'].filter(
    (path) => !files.some((file) => file.path === path),
  )
  const extra = files.filter(({ path }) => !/^(dist\/.+\.(js|d\.ts)|dist\/(cjs|types)\/package\.json|dist\/(cjs|page)\/THIRD-PARTY\.txt|dist\/page\/dashboard\.html|LICENSE|README\.md|package\.json)$/.test(path))
  writeFileSync(tarball, readFileSync(join(cache, filename)))
  rmSync(join(cache, filename))
  const problems = [...missing.map((path) => `the package lacks ${path}`), ...extra.map(({ path }) => `the package should not carry ${path}`)]
  return single(problems.length === 0, problems.join('\n'), [`${files.length} files`])
}

/** Whether `npm ci` will take the lock file. */
const lock = async (): Promise<Result> => {
  const missing = Object.keys(missingEntries(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock))
  return single(missing.length === 0, `package-lock.json lacks entries, npm ci may refuse it; run npm run lock:\n${missing.join('\n')}`)
}

/** The design asks for 500 kB, which sixteen folders filled; with capture, telemetry, the page (35 kB) and debugging it is this. See docs/performance.md. */
const maxPackedBytes = 620_000
const maxRootBytes = 20_000

const size = async (): Promise<Result> => {
  const packed = statSync(tarball).size
  const bundled = async (external: string[]): Promise<number> => {
    const { outputFiles } = await build({ entryPoints: [join(root, 'dist/esm/index.js')], bundle: true, minify: true, format: 'esm', platform: 'node', target: 'node20', write: false, logLevel: 'silent', external })
    return gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length
  }
  // The limit is for our own code: lru-cache alone is 5.6 kB. The whole is told beside it.
  const rootBytes = await bundled(['lru-cache', 'p-retry'])
  const wholeBytes = await bundled([])
  const problems = [
    ...(packed > maxPackedBytes ? [`the package is ${packed} bytes packed: at most ${maxPackedBytes}`] : []),
    ...(rootBytes > maxRootBytes ? [`the root is ${rootBytes} bytes minified and gzipped, without its dependencies: at most ${maxRootBytes}`] : []),
  ]
  const kB = (bytes: number): string => (bytes / 1000).toFixed(1)
  return single(problems.length === 0, problems.join('\n'), [`packed ${kB(packed)} kB of ${kB(maxPackedBytes)}, root ${kB(rootBytes)} kB of ${kB(maxRootBytes)} min+gz (${kB(wholeBytes)} kB with lru-cache and p-retry)`])
}

/** The gate. */
export const steps: readonly Step[] = [
  { name: 'build', run: tool('npm', ['run', '--silent', 'build']) },
  { name: 'types', run: types },
  { name: 'pack', needs: ['build'], run: pack },
  { name: 'consumer', needs: ['pack'], run: () => runConsumers({ root, tarball, ci }) },
  { name: 'unit', run: vitest('unit') },
  { name: 'simulations', run: vitest('simulations') },
  { name: 'fences', run: fences },
  { name: 'lint', run: tool(bin('oxlint'), ['--deny-warnings']) },
  { name: 'directions', run: directions },
  { name: 'docs', run: tool(process.execPath, ['--import', 'tsx', 'docs/generate.ts', '--check']) },
  { name: 'lock', run: lock },
  { name: 'exports', needs: ['build'], run: exportsStep },
  { name: 'publint', needs: ['pack'], run: tool(bin('publint'), ['run', tarball, '--strict']) },
  { name: 'attw', needs: ['pack'], run: tool(bin('attw'), [tarball, '--format', 'ascii', '--no-color', '--no-emoji']) },
  { name: 'size', needs: ['pack'], run: size },
  { name: 'examples', alone: true, run: examples },
]
