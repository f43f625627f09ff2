import type { LeafErrors } from './error-window.js'

/** A mean error of a window, and its variance. */
export interface ErrorMean {
  readonly value: number
  readonly variance: number
}

/**
 * The mean of y, which is |e| or e², over the rows of a window, some of whose labels are known: mean λf over all + mean (y − λf) over the labelled, f the mean
 * of the row's leaf in the reference, λ the slope of y on f among the labelled. As of classifiers, see `_corrected-metrics`: for these
 * rows, so that with all labels no variance is left.
 */
export const correctedError = (leaves: readonly LeafErrors[], expected: readonly number[], of: 'absolute' | 'squared'): ErrorMean => {
  const squareOf = of === 'absolute' ? 'squared' : 'fourth'
  let [rows, labels, sum, allF, labelledF, squareF, product] = [0, 0, 0, 0, 0, 0, 0]
  leaves.forEach((leaf, index) => {
    const f = expected[index] as number
    rows += leaf.rows
    labels += leaf.labels
    sum += leaf[of]
    allF += leaf.rows * f
    labelledF += leaf.labels * f
    squareF += leaf.labels * f * f
    product += leaf[of] * f
  })
  const varianceF = squareF - (labelledF * labelledF) / labels
  const slope = varianceF <= 1e-12 * squareF ? 0 : Math.min(1, Math.max(0, (product - (labelledF * sum) / labels) / varianceF))
  const centre = (sum - slope * labelledF) / labels
  const value = (slope * allF) / rows + centre
  let squares = 0
  leaves.forEach((leaf, index) => {
    const off = slope * (expected[index] as number) + centre
    squares += leaf[squareOf] - 2 * off * leaf[of] + leaf.labels * off * off
  })
  return { value: Math.max(0, value), variance: labels === rows ? 0 : ((1 - labels / rows) * Math.max(0, squares)) / (labels - 2) / labels }
}
