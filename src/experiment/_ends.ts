const steps = 40

/**
 * The end of an interval: the bound nearest to the estimate that the evidence refutes, in the direction of `sign`.
 *
 * @param refutes - whether the evidence refutes a bound
 * @param limit - the bound beyond which there is nothing
 */
export const intervalEnd = (estimate: number, sign: 1 | -1, refutes: (bound: number) => boolean, limit: number | undefined): number => {
  let inside = estimate
  let outside = NaN
  if (limit !== undefined) {
    outside = sign * limit
    if (!refutes(outside)) return outside
  } else {
    let width = Math.max(Math.abs(estimate), 1e-300) / 64
    for (let step = 0; step < 80 && Number.isNaN(outside); step += 1, width *= 2) {
      const bound = estimate + sign * width
      if (refutes(bound)) outside = bound
      else inside = bound
    }
    if (Number.isNaN(outside)) return sign * Infinity
  }
  for (let step = 0; step < steps; step += 1) {
    const middle = (inside + outside) / 2
    if (refutes(middle)) outside = middle
    else inside = middle
  }
  return outside
}
