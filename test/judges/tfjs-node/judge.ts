/** Our engine on a real `@tensorflow/tfjs-node`, on every Node: the whole contract of `test/engines/tfjs-node`. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { command } from '../../gate/command.js'
import { cacheFolder, pinned } from '../../engines/tfjs-node/cached.js'
import { CannotPrepare, prepareTfjsNode } from '../../engines/tfjs-node/prepare.js'
import type { ContractRun } from '../../engines/tfjs-node/run-contract.js'
import { CannotJudge, check, type Check, type Judge } from '../judge.js'
import { nodesOf, type OtherNode } from '../nodes.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const program = fileURLToPath(new URL('../../engines/tfjs-node/run-contract.ts', import.meta.url))
const majors = [20, 22, 24, 26]

const prepare = async (): Promise<string> => {
  const steps: string[] = []
  try {
    await prepareTfjsNode((line) => {
      console.log(line)
      steps.push(line)
    })
  } catch (error) {
    throw error instanceof CannotPrepare ? new CannotJudge(error.message) : error
  }
  return steps.length === 0 ? 'was prepared before' : steps.join('; ')
}

/** The contract in another process: this Node's checks one by one, another's as one, with what failed there. */
const contractOn = async ({ version, path }: OtherNode): Promise<readonly Check[]> => {
  console.log(`Node ${version}…`)
  const { ok, stdout, output } = await command(path, ['--expose-gc', '--import', 'tsx', program], { cwd: root, timeoutMs: 15 * 60_000 })
  const last = stdout.trim().split('\n').at(-1) ?? ''
  if (!ok || !last.startsWith('{')) return [{ name: `Node ${version}: the contract runs to its end`, ok: false, detail: output.trim().split('\n').slice(-3).map((line) => line.slice(-300)).join(' ') }]
  const { checks, restored, warnings } = JSON.parse(last) as ContractRun
  if (version === process.versions.node) return checks
  const failed = checks.filter((one) => !one.ok)
  const detail = `${checks.length - failed.length} of ${checks.length} checks; the shim gave back ${restored.join(', ') || 'nothing'}; ${warnings} warnings`
  return [{ name: `Node ${version}: the whole contract`, ok: failed.length === 0, detail }, ...failed.map((one) => ({ ...one, name: `Node ${version}: ${one.name}` }))]
}

/** What happens without the shim: works up to Node 22, and not from 23 on. */
const withoutShim = ({ version, path }: OtherNode): Promise<Check> =>
  check(`Node ${version}: without the shim`, () => {
    const source = `const tf = require('@tensorflow/tfjs-node'); try { console.log('computes', tf.add(1, 2).dataSync()[0]) } catch (error) { console.log(error.message) }`
    const seen = execFileSync(path, ['-e', source], { cwd: cacheFolder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n').at(-1) ?? ''
    const needed = Number(version.split('.')[0]) >= 23
    if (needed !== /isNullOrUndefined\)? is not a function/.test(seen) || (!needed && seen !== 'computes 3')) throw new Error(seen)
    return seen
  })

/** Whether its own declarations fit what our engine takes. */
const types = (): Promise<Check> =>
  check('the declarations of tfjs-node fit `tfjs(tf)`', async () => {
    const folder = join(cacheFolder, 'types')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'check.ts'), `import * as tf from '@tensorflow/tfjs-node'\nimport { tfjs } from 'outrigger/models'\nexport const engine = tfjs(tf)\n`)
    const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { readonly compilerOptions: object }
    const options = { ...compilerOptions, paths: { 'outrigger/*': [join(root, 'src/*/index.ts')] }, typeRoots: [join(root, 'node_modules/@types')] }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['check.ts'] }))
    const { ok, output } = await command(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { timeoutMs: 5 * 60_000 })
    if (!ok) throw new Error(output.trim().split('\n').slice(0, 4).join(' '))
    return 'a program that passes it compiles, strictly'
  })

export const judge: Judge = async () => {
  const checks = [await check('the package without its install script, libtensorflow from the wheel, the addon compiled', prepare)]
  const nodes = nodesOf(majors)
  if (checks.every(({ ok }) => ok)) {
    checks.push(await types())
    for (const node of nodes) checks.push(...(await contractOn(node)))
    for (const node of nodes) checks.push(await withoutShim(node))
    for (const major of majors) {
      if (!nodes.some(({ version }) => version.startsWith(`${major}.`))) checks.push({ name: `Node ${major}`, ok: false, detail: 'npx could not fetch it' })
    }
  }
  return { versions: { '@tensorflow/tfjs-node': pinned.tfjsNode, 'libtensorflow (wheel tensorflow-cpu)': pinned.tensorflow, Nodes: nodes.map(({ version }) => version).join(', ') }, checks }
}
