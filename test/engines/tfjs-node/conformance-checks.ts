/** The suite that every engine has to pass, with the real tfjs-node: layers models, graph models and SavedModels. */
import { engineConformance, type EngineTestModels } from 'outrigger/testing'
import { tfjs } from '../../../src/models/engines/tfjs.js'
import type { TensorEngine } from '../../../src/models/engines/engine.js'
import { graphModels, layersModels } from '../../models/engines/_tfjs-models.js'
import type { TfjsNode } from './cached.js'
import type { ContractCheck } from './contract.js'
import { frozenSavedModel } from './frozen-saved-model.js'

type Files = EngineTestModels['affine']

const savedModels: EngineTestModels = {
  affine: frozenSavedModel(graphModels.affine),
  fixedBatch: frozenSavedModel(graphModels.fixedBatch),
  twoByTwo: frozenSavedModel(graphModels.twoByTwo),
  sequence: frozenSavedModel(graphModels.sequence),
  identity: Object.fromEntries(Object.entries(graphModels.identity as Readonly<Record<string, Files>>).map(([dtype, files]) => [dtype, frozenSavedModel(files)])),
}

export const conformanceChecks = async (tf: TfjsNode): Promise<readonly ContractCheck[]> => {
  const kinds = { layers: await layersModels(tf), graph: graphModels, SavedModel: savedModels }
  const held = (): number => tf.memory().numTensors + tf.node.getNumOfSavedModels()
  return Object.entries(kinds).flatMap(([kind, models]) =>
    engineConformance(() => tfjs(tf).tensors as TensorEngine, { models, held }).map(({ name, run }) => ({
      name: `conformance, ${kind}: ${name}`,
      run: async () => {
        await run()
        return 'holds'
      },
    })))
}
