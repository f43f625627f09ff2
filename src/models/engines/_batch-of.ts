/** How many rows go through a model at once, by what its inputs and outputs leave open or insist on. Pure. */
import type { ModelSignature } from '../manifest/manifest.js'
import type { EngineDescription } from './engine.js'

/** Rows go together where every first dimension is free, or by one fixed number; else one by one. */
export const batchOf = ({ inputs, outputs }: ModelSignature): Pick<EngineDescription, 'batchable' | 'batchSize'> => {
  const sizes = new Set([...inputs, ...outputs].map(({ shape }) => shape[0]))
  const [size] = sizes
  if (sizes.size !== 1 || size === undefined) return { batchable: false, batchSize: 1 }
  return size === null ? { batchable: true } : { batchable: size > 1, batchSize: size }
}
