/** The solution of A x = b for a positive definite A, after one Cholesky decomposition. O(d³), then O(d²) each. */
export const solver = (matrix: readonly Float64Array[]): ((b: Float64Array) => Float64Array) => {
  const d = matrix.length
  const lower = matrix.map((row) => Float64Array.from(row))
  for (let row = 0; row < d; row++) {
    const own = lower[row] as Float64Array
    for (let column = 0; column <= row; column++) {
      const other = lower[column] as Float64Array
      let sum = own[column] as number
      for (let k = 0; k < column; k++) sum -= (own[k] as number) * (other[k] as number)
      own[column] = column === row ? Math.sqrt(sum) : sum / (other[column] as number)
    }
  }
  return (b) => {
    const x = Float64Array.from(b)
    for (let row = 0; row < d; row++) {
      const own = lower[row] as Float64Array
      for (let k = 0; k < row; k++) x[row] = (x[row] as number) - (own[k] as number) * (x[k] as number)
      x[row] = (x[row] as number) / (own[row] as number)
    }
    for (let row = d - 1; row >= 0; row--) {
      for (let k = row + 1; k < d; k++) x[row] = (x[row] as number) - ((lower[k] as Float64Array)[row] as number) * (x[k] as number)
      x[row] = (x[row] as number) / ((lower[row] as Float64Array)[row] as number)
    }
    return x
  }
}

/** Eigenvalues, the largest first, with their vectors: cyclic rotations (Jacobi, 1846). O(d³) a sweep, some eight of them. */
export const symmetricEigen = (matrix: readonly Float64Array[]): readonly { readonly value: number; readonly vector: Float64Array }[] => {
  const d = matrix.length
  const a = matrix.map((row) => Float64Array.from(row))
  const vectors = a.map((_, row) => Float64Array.from({ length: d }, (_, column) => (row === column ? 1 : 0)))
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0
    let all = 0
    for (let i = 0; i < d; i++) for (let j = 0; j < d; j++) {
      const square = ((a[i] as Float64Array)[j] as number) ** 2
      all += square
      if (i !== j) off += square
    }
    if (off <= 1e-26 * all) break
    for (let i = 0; i < d; i++) for (let j = i + 1; j < d; j++) rotate(a, vectors, i, j)
  }
  return vectors.map((vector, index) => ({ value: (a[index] as Float64Array)[index] as number, vector })).sort((one, other) => other.value - one.value)
}

const rotate = (a: readonly Float64Array[], vectors: readonly Float64Array[], i: number, j: number): void => {
  const [rowI, rowJ] = [a[i] as Float64Array, a[j] as Float64Array]
  const off = rowI[j] as number
  if (off === 0) return
  const theta = ((rowJ[j] as number) - (rowI[i] as number)) / 2 / off
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(1, theta))
  const c = 1 / Math.hypot(1, t)
  const s = c * t
  const turn = (one: Float64Array, other: Float64Array): void => {
    for (let k = 0; k < one.length; k++) {
      const [x, y] = [one[k] as number, other[k] as number]
      one[k] = c * x - s * y
      other[k] = s * x + c * y
    }
  }
  for (const row of a) {
    const [x, y] = [row[i] as number, row[j] as number]
    row[i] = c * x - s * y
    row[j] = s * x + c * y
  }
  turn(rowI, rowJ)
  turn(vectors[i] as Float64Array, vectors[j] as Float64Array)
}
