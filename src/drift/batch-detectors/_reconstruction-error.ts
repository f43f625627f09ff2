import { dot } from './embedding-sample.js'
import { symmetricEigen } from './_symmetric-matrix.js'

/** What the first components of these rows leave of a row, squared. */
export const reconstructionError = (rows: readonly Float64Array[], explained: number): ((row: Float64Array) => number) => {
  const width = (rows[0] as Float64Array).length
  const centre = Float64Array.from({ length: width }, (_, column) => rows.reduce((sum, row) => sum + (row[column] as number), 0) / rows.length)
  const covariance = Array.from({ length: width }, () => new Float64Array(width))
  for (const row of rows) {
    const off = row.map((value, column) => value - (centre[column] as number))
    for (let i = 0; i < width; i++) for (let j = 0; j < width; j++) (covariance[i] as Float64Array)[j] = ((covariance[i] as Float64Array)[j] as number) + (off[i] as number) * (off[j] as number)
  }
  const eigen = symmetricEigen(covariance)
  const all = eigen.reduce((sum, { value }) => sum + value, 0)
  let held = 0
  const components = eigen.slice(0, Math.max(1, width - 1)).filter(({ value }) => {
    const isNeeded = held < explained * all
    held += value
    return isNeeded
  })
  return (row) => {
    const off = row.map((value, column) => value - (centre[column] as number))
    const left = Float64Array.from(off)
    for (const { vector } of components) {
      const along = dot(off, vector)
      for (let column = 0; column < width; column++) left[column] = (left[column] as number) - along * (vector[column] as number)
    }
    return dot(left, left)
  }
}
