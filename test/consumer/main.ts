/**
 * The consumer test: installs the packed tarball into empty folders and uses it as users do.
 *
 * `projects/` holds one folder for each kind of user. Each is copied to a temporary folder, gets the tarball and its
 * own tools by npm, is type-checked and compiled if it is TypeScript, and its program is run on every Node asked for.
 * By hand: `npm test -- --only consumer`.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command } from '../gate/command.js'
import type { Result } from '../gate/step.js'

interface Project {
  readonly name: string
  /** What the user has beside outrigger. */
  readonly tools?: readonly string[]
  /** Whether `tsc` compiles it first; the compiler is ours. */
  readonly typescript?: boolean
  /** The arguments after `node`. */
  readonly program: readonly string[]
}

const projects: readonly Project[] = [
  { name: 'jest', tools: ['jest@30'], program: ['node_modules/jest/bin/jest.js', '--ci'] },
  { name: 'otel-1.4', tools: ['@opentelemetry/api@1.4.0', '@opentelemetry/sdk-trace-base@1.9.1', '@opentelemetry/sdk-metrics@1.9.1'], program: ['main.js'] },
  { name: 'esm', program: ['main.js'] },
  { name: 'commonjs', program: ['main.js'] },
  { name: 'ts-nodenext', typescript: true, tools: ['@types/node@20'], program: ['out/main.js'] },
  { name: 'ts-node20', typescript: true, tools: ['@types/node@20'], program: ['out/main.js'] },
  { name: 'ts-classic', typescript: true, tools: ['@types/node@20'], program: ['out/main.js'] },
]

/** The lowest supported version is one of them. */
const allNodes = ['20.19.0', '20', '22', '24', '26']
const maxInstalled = 6

/** Our own Node if it is of that version, else the npm package `node`, kept outside the tree between runs. */
const nodeOf = async (version: string): Promise<string> => {
  const own = process.versions.node
  if (own === version || own.startsWith(`${version}.`)) return process.execPath
  const home = join(tmpdir(), `outrigger-node-${version}`)
  const program = join(home, 'node_modules/node/bin/node')
  if (existsSync(program)) return program
  const fresh = mkdtempSync(`${home}-`)
  writeFileSync(join(fresh, 'package.json'), '{ "private": true }')
  const { ok, output } = await command('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error', `node@${version}`], { cwd: fresh })
  if (!ok || !existsSync(join(fresh, 'node_modules/node/bin/node'))) throw new Error(`Cannot install node@${version}:\n${output}`)
  try {
    renameSync(fresh, home)
  } catch {
    rmSync(fresh, { recursive: true, force: true }) // Another run was faster.
  }
  return program
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** Installs one project, compiles it and runs it on every Node. */
const runProject = async (project: Project, folder: string, root: string, tarball: string, nodes: ReadonlyMap<string, string>): Promise<Result> => {
  const started = performance.now()
  const template = join(dirname(fileURLToPath(import.meta.url)), 'projects', project.name)
  const home = join(folder, project.name)
  cpSync(template, home, { recursive: true })
  const install = await command('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', '--prefer-offline', '--loglevel=error', tarball, ...(project.tools ?? [])], { cwd: home })
  if (!install.ok) return { passed: 0, failed: 1, output: `${project.name}: npm install\n${install.output}` }

  const problems: string[] = []
  let passed = 0
  const installed = performance.now() - started
  if (project.typescript === true) {
    const { ok, output } = await command(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: home })
    if (ok) passed += 1
    else problems.push(`${project.name}: tsc\n${output}`)
  }
  if (project.tools === undefined) {
    const packages = readdirSync(join(home, 'node_modules'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .flatMap((entry) => (entry.name.startsWith('@') ? readdirSync(join(home, 'node_modules', entry.name)).map((name) => `${entry.name}/${name}`) : [entry.name]))
    if (packages.length <= maxInstalled) passed += 1
    else problems.push(`${project.name}: ${packages.length} packages installed, at most ${maxInstalled}: ${packages.join(', ')}`)
  }
  if (problems.length === 0) {
    for (const [version, node] of nodes) {
      const { ok, output } = await command(node, project.program, { cwd: home, timeoutMs: 60_000 })
      // A user reads what a package prints: a warning of Node is not fine either.
      if (ok && !/Warning:/.test(output)) passed += 1
      else problems.push(`${project.name} on Node ${version}\n${output}`)
    }
  }
  return {
    passed,
    failed: problems.length,
    output: problems.join('\n'),
    notes: [`${project.name} ${seconds(performance.now() - started)} (install ${seconds(installed)})`],
  }
}

/** Runs every project, two at a time; on the current Node 20 only, or in CI on all supported ones. */
export const runConsumers = async ({ root, tarball, ci }: { readonly root: string; readonly tarball: string; readonly ci: boolean }): Promise<Result> => {
  const started = performance.now()
  const nodes = new Map(await Promise.all((ci ? allNodes : ['20']).map(async (version) => [version, await nodeOf(version)] as const)))
  const nodesMs = performance.now() - started
  const versions = [...nodes.keys()].join(', ')

  mkdirSync(tmpdir(), { recursive: true })
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-consumer-'))
  try {
    const results: Result[] = []
    const queue = [...projects]
    const worker = async (): Promise<void> => {
      for (let project = queue.shift(); project !== undefined; project = queue.shift()) results.push(await runProject(project, folder, root, tarball, nodes))
    }
    await Promise.all([worker(), worker()])
    return {
      passed: results.reduce((sum, result) => sum + result.passed, 0),
      failed: results.reduce((sum, result) => sum + result.failed, 0),
      output: results.map((result) => result.output).join('\n'),
      notes: [`on Node ${versions}${ci ? ` (runtimes ${seconds(nodesMs)})` : '; CI=true runs ' + allNodes.join(', ')}`, ...results.flatMap((result) => result.notes ?? [])],
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
