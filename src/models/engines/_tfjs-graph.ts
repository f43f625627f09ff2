/** Whether a graph can be run in one go, or has parts whose way or size only a run can tell. Pure. */

interface GraphNode { readonly name: string; readonly op: string; readonly input?: readonly string[] }

/** As TensorFlow.js tells them (tfjs-converter, model_analysis), and `If`, which it misspells. */
const waits: ReadonlySet<string> = new Set([
  'Switch', 'Merge', 'Enter', 'Exit', 'NextIteration', 'If', 'StatelessIf', 'While', 'StatelessWhile',
  'NonMaxSuppressionV2', 'NonMaxSuppressionV3', 'NonMaxSuppressionV4', 'NonMaxSuppressionV5', 'Where',
  'HashTable', 'HashTableV2', 'LookupTableImport', 'LookupTableImportV2', 'LookupTableFind', 'LookupTableFindV2', 'LookupTableSize', 'LookupTableSizeV2',
])

/** `^name` is an order, `name:1` an output of the node. */
const nodeNameOf = (input: string): string => input.replace(/^\^/, '').replace(/:\d+$/, '')

/**
 * Whether the way from the inputs to these outputs must be run by `executeAsync`. What stands in the graph and is not on
 * it does not count: `executeAsync` would warn of every run.
 */
export const needsAsync = (topology: object, outputs: readonly string[]): boolean => {
  const { node = [] } = topology as { readonly node?: readonly GraphNode[] }
  const nodes = new Map(node.map((one) => [one.name, one]))
  const seen = new Set<string>()
  const open = outputs.map(nodeNameOf)
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue
    seen.add(name)
    const one = nodes.get(name)
    if (one === undefined) continue
    if (waits.has(one.op)) return true
    open.push(...(one.input ?? []).map(nodeNameOf))
  }
  return false
}
