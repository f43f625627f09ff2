/** Samples as all tests here read them, for the folders that count values into cells of their own. */
export { totals } from './_counts.js'
export { pooledValues, type PooledValues } from './_raw-samples.js'
