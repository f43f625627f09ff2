/**
 * For tests: a clock that stands still, seeded randomness, a model held from both sides, faults on purpose, and a
 * suite that any layer can be put through. Works with vitest, Jest and `node:test`.
 *
 * Not for production.
 */
export { seededRandom } from '../core/random.js'
export { cacheStoreConformance } from './cache-store-conformance.js'
export type { CacheStoreCheck, CacheStoreCheckName, CacheStoreConformanceOptions } from './cache-store-conformance.js'
export { engineConformance } from './engine-conformance.js'
export type { EngineCheck, EngineCheckName, EngineConformanceOptions, EngineTestModels, TestModelFiles } from './engine-conformance.js'
export { fakeClock } from './fake-clock.js'
export type { FakeClock } from './fake-clock.js'
export { faults } from './faults.js'
export type { FaultLayer, FaultOptions, FaultRates } from './faults.js'
export { journalConformance } from './journal-conformance.js'
export type { JournalCheck } from './journal-conformance.js'
export { layerConformance } from './layer-conformance.js'
export type { ConformanceCheck, ConformanceCheckName, ConformanceRow, LayerConformanceOptions } from './layer-conformance.js'
export { mlpLayers, mlpPredict } from './mlp.js'
export type { MlpLayer } from './mlp.js'
export { modelDepotConformance } from './model-depot-conformance.js'
export type { ModelDepotCheck, ModelDepotCheckName, ModelDepotConformanceOptions } from './model-depot-conformance.js'
export { modelSourceConformance } from './model-source-conformance.js'
export type { ModelSourceCheck, ModelSourceCheckName, ModelSourceConformanceOptions, ModelSourceKit, PublishedModel } from './model-source-conformance.js'
export { mockModel } from './mock-model.js'
export type { Arrival, MockModel, MockModelOptions } from './mock-model.js'
export { stateStoreConformance } from './state-store-conformance.js'
export type { StateStoreCheck, StateStoreCheckName, StateStoreConformanceOptions } from './state-store-conformance.js'
export { onnxModel } from './onnx-model.js'
export type { OnnxAttribute, OnnxExternalData, OnnxModelOptions, OnnxNode, OnnxValue, OnnxWeight } from './onnx-model.js'
export { onnxAffine, onnxIdentity, onnxLarge, onnxMlp, onnxSlow } from './onnx-models.js'
export type { OnnxBatch, OnnxSlowOptions } from './onnx-models.js'
