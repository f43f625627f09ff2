/**
 * The design's budgets, measured: `npm run bench`. Ratios are to peers in the same process, medians of rounds. It ends
 * with a non-zero status if a gate does not hold; a loaded machine may need a second run.
 */
import { cacheBudgets } from './cache.js'
import { layerBudgets } from './layers.js'
import { metricsBudgets } from './metrics.js'
import { onnxBudgets } from './onnx.js'
import { packageBudgets } from './package.js'
import { profileBudgets } from './profiles.js'
import { routingBudgets } from './routing.js'

/** A row of the budget. */
export interface Budget {
  readonly what: string
  readonly gate: string
  readonly measured: string
  readonly holds: boolean
}

const budgets = [...(await layerBudgets()), ...(await metricsBudgets()), ...(await cacheBudgets()), ...(await onnxBudgets()), ...profileBudgets(), ...(await routingBudgets())]
// TensorFlow.js comes last: once it is loaded every promise of the process is slower, whoever made it.
const { microBatchBudgets } = await import('./micro-batching.js')
budgets.push(...(await microBatchBudgets()), ...(await packageBudgets()))
const width = Math.max(...budgets.map(({ what }) => what.length))
const gateWidth = Math.max(...budgets.map(({ gate }) => gate.length))
for (const { what, gate, measured, holds } of budgets) console.log(`${holds ? 'ok  ' : 'MISS'}  ${what.padEnd(width)}  ${gate.padEnd(gateWidth)}  ${measured}`)
console.log(`\nNode ${process.versions.node}, ${process.platform} ${process.arch}, cockatiel 3`)
process.exitCode = budgets.every(({ holds }) => holds) ? 0 : 1
