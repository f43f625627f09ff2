/**
 * Versions of models: a store on disk that cannot be torn, engines that load what is in it, and a predictor that
 * follows an alias and is swapped under load.
 *
 * Use it when a model is released apart from the service that runs it, or must be replaced without a restart. Not
 * needed for a model that is deployed with the code: `pipe` takes any function.
 *
 * Stability: experimental.
 */
export type { Engine, EngineDescription, EngineMembers, EngineModel, EngineObject, EngineOrigin, TensorCall, TensorEngine, TensorModel } from './engines/engine.js'
export { functionEngine } from './engines/function.js'
export type { FunctionEngineOptions, LoadModel } from './engines/function.js'
export { tensorEngine } from './engines/tensor-rows.js'
export type { FieldValues, OutputValue, TensorRow, TensorRowOptions, TensorValue } from './engines/tensor-rows.js'
export { tfjsNodeShim } from './engines/tfjs-node-shim.js'
export { tfjs, tfjsFiles, tfjsSignature } from './engines/tfjs.js'
export type { NumericRow, Tfjs, TfjsModel, TfjsOptions, TfjsRow, TfjsSavable } from './engines/tfjs.js'
export type { RefusalStage } from './loader/gate.js'
export { Leases } from './loader/lease.js'
export { manifestDigest, parseManifest, serializeManifest } from './manifest/manifest.js'
export type { GoldenPrediction, ManifestFile, ModelManifest, ModelSignature, TensorField, TensorSpec } from './manifest/manifest.js'
export { signatureFaults } from './manifest/signature-compatibility.js'
export type { BlobId, CreateOptions, DepotEntry, DepotReader, ModelDepot } from './store/depot.js'
export { memoryDepot } from './store/memory-depot.js'
export type { MemoryDepotOptions } from './store/memory-depot.js'
export { publicKeyId, signManifest, verifySignature } from './manifest/signature.js'
export type { Ed25519Key, ManifestSignature, Signable } from './manifest/signature.js'
export { checkTrust, trustPolicy } from './manifest/trust.js'
export type { TrustEvidence, TrustPolicy, TrustPolicyOptions, TrustSubject, UntrustedReason } from './manifest/trust.js'
export { modelDirectory } from './store/model-directory.js'
export type { ModelDirectory } from './store/model-directory.js'
export { ModelFiles } from './store/model-files.js'
export { modelLoader } from './loader/model-loader.js'
export type { BuiltLoaderOptions, LoadedBy, LoadedVersionInfo, LoaderOptions, ModelLoader, ModelLoaderOptions } from './loader/model-loader.js'
export { identityOf, modelStore } from './store/model-store.js'
export type { FileContent, GoldenInput, JsonObject, ListedVersion, ModelAlias, ModelSource, ModelStore, ModelStoreOptions, ModelVersion, OpenedModel, PublishOptions, SetAliasOptions } from './store/model-store.js'
export { isAliasName, isModelName, parseReference } from './manifest/names.js'
export type { ModelReference } from './manifest/names.js'
export { httpSource } from './sources/http-source.js'
export type { HttpSource, HttpSourceOptions, SourceCallOptions } from './sources/http-source.js'
export type { FetchAnswer, FetchLike, HeadersOption, HttpOptions } from './sources/http-options.js'
export { nodeListener } from './sources/node-listener.js'
export type { SourceCacheOptions } from './sources/source-cache.js'
export { storeHandler } from './sources/store-handler.js'
export type { HandlerRequest, StoreHandler, StoreHandlerOptions } from './sources/store-handler.js'
export { writeIndexes } from './sources/write-indexes.js'
export { nodeFileSystem } from '../store/file-system.js'
export type { FileSystem, FileSystemHandle } from '../store/file-system.js'
