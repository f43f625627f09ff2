/**
 * Versions of models: a store on disk that cannot be torn, engines that load what is in it, and a predictor that
 * follows an alias and is swapped under load.
 *
 * Use it when a model is released apart from the service that runs it, or must be replaced without a restart. Not
 * needed for a model that is deployed with the code: `pipe` takes any function.
 *
 * Stability: experimental.
 */
export type { Engine, EngineDescription, EngineMembers, EngineModel, EngineObject } from './engines/engine.js'
export { functionEngine } from './engines/function.js'
export type { FunctionEngineOptions, LoadModel } from './engines/function.js'
export { tfjs, tfjsFiles, tfjsSignature } from './engines/tfjs.js'
export type { NumericRow, Tfjs, TfjsModel, TfjsOptions, TfjsRow, TfjsSavable } from './engines/tfjs.js'
export type { RefusalStage } from './gate.js'
export { Leases } from './lease.js'
export { manifestDigest, parseManifest, serializeManifest } from './manifest.js'
export type { GoldenPrediction, ManifestFile, ModelManifest, ModelSignature, TensorSpec } from './manifest.js'
export { ModelFiles } from './model-files.js'
export { modelLoader } from './model-loader.js'
export type { BuiltLoaderOptions, LoadedBy, LoadedVersionInfo, LoaderOptions, ModelLoader, ModelLoaderOptions } from './model-loader.js'
export { identityOf, modelStore } from './model-store.js'
export type { FileContent, GoldenInput, JsonObject, ListedVersion, ModelAlias, ModelSource, ModelStore, ModelStoreOptions, ModelVersion, OpenedModel, PublishOptions, SetAliasOptions } from './model-store.js'
export { isAliasName, isModelName, parseReference } from './names.js'
export type { ModelReference } from './names.js'
export { nodeFileSystem } from '../store/file-system.js'
export type { FileSystem, FileSystemHandle } from '../store/file-system.js'
