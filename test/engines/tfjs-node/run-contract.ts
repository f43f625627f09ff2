/** Runs the contract in this Node and prints what was seen as one line of JSON, last. Arguments: words that a name must contain. */
import { tfjsNodeShim } from '../../../src/models/engines/tfjs-node-shim.js'
import { check, type Check } from '../../judges/judge.js'
import { loadTfjsNode } from './cached.js'
import { contractOf } from './contract.js'

/** What is printed. */
export interface ContractRun {
  /** What the shim gave back to `node:util`. */
  readonly restored: readonly string[]
  /** How often `console.warn` was called: tfjs-node does so for each 64-bit output of each run. */
  readonly warnings: number
  readonly checks: readonly Check[]
}

process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2'
const words = process.argv.slice(2)
const restored = tfjsNodeShim()
const tf = loadTfjsNode()
if (tf === undefined) process.exit(1)
let warnings = 0
console.warn = () => void (warnings += 1)
const checks: Check[] = []
for (const { name, run } of await contractOf(tf)) {
  if (words.every((word) => name.includes(word))) checks.push(await check(name, () => run(tf)))
}
const seen: ContractRun = { restored, warnings, checks }
console.log(JSON.stringify(seen))
