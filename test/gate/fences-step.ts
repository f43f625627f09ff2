/** The step that type-checks all fences in one run of tsc and then executes each. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command } from './command.js'
import type { FenceReport } from './fence-runner.js'
import { fencesOf, tsdocOf, type Fence } from './fences.js'
import type { Result } from './step.js'

/** A fence must have ended by then. */
const fenceMs = 15_000

interface FencesOptions {
  readonly root: string
  /** Markdown files and sources, relative to the root. */
  readonly markdown: readonly string[]
  readonly sources: readonly string[]
  /** Where the fences are written; emptied first. Inside the root, and not in node_modules: tsx resolves no `paths` there. */
  readonly folder: string
}

/** Puts the place in the documentation in place of the place in the extracted file. */
const relocate = (text: string, written: ReadonlyMap<string, Fence>): string =>
  text.replace(/(?:file:\/\/)?[\w./\\:-]*?([\w.-]+\.fence\.ts)(?:\((\d+),(\d+)\)|:(\d+):(\d+))/g, (whole, name: string, a?: string, b?: string, c?: string, d?: string) => {
    const fence = written.get(name)
    return fence === undefined ? whole : `${fence.file}:${fence.line + Number(a ?? c)}:${b ?? d}`
  })

/** Fences with `node:test` have a process of their own: only its exit status tells whether the tests in them passed. */
const executeAlone = async (path: string, root: string): Promise<string | undefined> => {
  const globals = new URL('fence-globals.ts', import.meta.url).href
  const { ok, output } = await command(process.execPath, ['--import', 'tsx', '--import', globals, path], { cwd: root, timeoutMs: fenceMs })
  return ok ? undefined : output.slice(-4000)
}

const executeTogether = async (paths: readonly string[], root: string, folder: string): Promise<Map<string, string | undefined>> => {
  const results = new Map<string, string | undefined>()
  const runner = fileURLToPath(new URL('fence-runner.ts', import.meta.url))
  const list = join(folder, 'fences.txt')
  for (let rest = paths; rest.length > 0; rest = paths.filter((path) => !results.has(path))) {
    let kill = (): void => undefined
    let hung = false
    let timer: NodeJS.Timeout | undefined
    const watch = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        hung = true
        kill()
      }, fenceMs)
    }
    watch()
    // As a file: with hundreds of paths in the command line onnxruntime crashed in some runs.
    writeFileSync(list, rest.join('\n'))
    const { output } = await command(process.execPath, ['--import', 'tsx', '--enable-source-maps', runner, list], {
      cwd: root,
      onStart: (end) => (kill = end),
      onMessage: (message) => {
        const { file, error } = message as unknown as FenceReport
        results.set(file, error)
        watch()
      },
    })
    clearTimeout(timer)
    const stopped = rest.find((path) => !results.has(path))
    if (stopped !== undefined) results.set(stopped, hung ? `did not end within ${fenceMs / 1000} s` : `ended the process, or awaits something that never comes:\n${output.slice(-2000)}`)
  }
  return results
}

/** Type-checks and executes every fence. */
export const runFences = async ({ root, markdown, sources, folder }: FencesOptions): Promise<Result> => {
  const found = [
    ...markdown.map((file) => fencesOf(file, readFileSync(join(root, file), 'utf8'))),
    ...sources.map((file) => fencesOf(file, tsdocOf(readFileSync(join(root, file), 'utf8')))),
  ]
  const problems = found.flatMap((one) => one.problems)
  const fences = found.flatMap((one) => one.fences)
  if (fences.length === 0) return { passed: 0, failed: problems.length, output: problems.join('\n') }

  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const written = new Map<string, Fence>()
  for (const fence of fences.filter(({ mode }) => mode !== 'no-check')) {
    const name = `${fence.file.replace(/[^\w]+/g, '-')}-${fence.line}.fence.ts`
    written.set(name, fence)
    // Line n of the fence is line n of the file; the export makes it a module whatever it holds.
    writeFileSync(join(folder, name), `${fence.code}\nexport {}\n`)
  }
  writeFileSync(join(folder, 'globals.d.ts'), "declare const assert: typeof import('node:assert/strict')\n")
  const toRoot = relative(folder, root).replaceAll('\\', '/')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: `${toRoot}/tsconfig.json`, compilerOptions: { noEmit: true, noUnusedLocals: false }, include: ['*.ts'], exclude: [] }))

  const bad = new Map<string, string[]>()
  const blame = (name: string, message: string): void => void bad.set(name, [...(bad.get(name) ?? []), message])
  const types = await command(join(root, 'node_modules/.bin/tsc'), ['-p', join(folder, 'tsconfig.json'), '--pretty', 'false'], { cwd: root })
  const elsewhere: string[] = []
  if (!types.ok) {
    for (const message of types.stdout.split(/\n(?=\S)/)) {
      const name = /([\w.-]+\.fence\.ts)\(/.exec(message)?.[1]
      if (name !== undefined && written.has(name)) blame(name, relocate(message, written))
      else if (message.trim() !== '') elsewhere.push(message)
    }
    // Errors of src itself are the business of the step `types`; here they may only not hide that nothing was checked.
    if (bad.size === 0 && elsewhere.length === 0) problems.push(types.output)
    if (elsewhere.length > 0) problems.push(`tsc over the fences also says: ${elsewhere.join('\n')}`)
  }

  const runnable = [...written].filter(([, fence]) => fence.mode === 'run').map(([name]) => join(folder, name))
  const usesNodeTest = (path: string): boolean => written.get(basename(path))?.code.includes("'node:test'") === true
  const results = await executeTogether(runnable.filter((path) => !usesNodeTest(path)), root, folder)
  for (const path of runnable.filter(usesNodeTest)) results.set(path, await executeAlone(path, root))
  for (const [path, error] of results) {
    const fence = written.get(basename(path))
    if (error !== undefined && fence !== undefined) blame(basename(path), `${fence.file}:${fence.line} ${relocate(error, written)}`)
  }

  const count = (mode: Fence['mode']): number => fences.filter((fence) => fence.mode === mode).length
  const optedOut = fences.filter((fence) => fence.mode !== 'run').map((fence) => `${fence.mode}: ${fence.file}:${fence.line} ${fence.reason}`)
  return {
    passed: written.size - bad.size,
    failed: bad.size + problems.length,
    notes: [`${count('run')} executed, ${count('no-run')} type-checked only, ${count('no-check')} left alone`, ...optedOut],
    output: [...problems, ...[...bad.values()].flat()].join('\n'),
  }
}
