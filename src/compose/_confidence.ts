/**
 * How sure a model says it is: the field `confidence`, or the greatest class probability (Hendrycks and Gimpel, "A
 * Baseline for Detecting Misclassified and Out-of-Distribution Examples", 2017); for one probability p of two classes,
 * max(p, 1 − p). `undefined` for an output that says nothing of the kind.
 */
export const confidenceOf = (output: unknown): number | undefined => {
  if (typeof output === 'number') return output >= 0 && output <= 1 ? Math.max(output, 1 - output) : undefined
  if (typeof output !== 'object' || output === null) return undefined
  if ('confidence' in output) return typeof output.confidence === 'number' ? output.confidence : undefined
  const elements: unknown = Array.isArray(output) || ArrayBuffer.isView(output) ? output : Object.values(output)
  let greatest: number | undefined
  for (const element of elements as Iterable<unknown>) {
    // Anything else is no probability, so that the output as a whole is none.
    if (typeof element !== 'number' || !(element >= 0 && element <= 1)) return undefined
    if (greatest === undefined || element > greatest) greatest = element
  }
  return greatest
}
