/** Rows of a model that takes rows, on the side of the isolate: asked as a predictor would ask it. */
import { BatchCall } from '../../core/batch-call.js'
import { Call } from '../../core/call.js'
import { modelStage, type ModelFunction, type ModelObject } from '../../core/model.js'
import { isPredictor, stageOf, type Predictor } from '../../core/predictor.js'
import { RowFailure, type Row } from '../../core/rows.js'
import { systemRuntime } from '../../core/runtime.js'
import type { Stage } from '../../core/stage.js'
import type { EngineModel } from '../engines/engine.js'
import type { ModelVersion } from '../store/model-store.js'
import { identityOf } from '../store/model-store.js'
import type { ToIsolate } from './_protocol.js'

type RowsMessage = Extract<ToIsolate, { readonly type: 'rows' }>

/** What asks the model for rows. */
export const rowStage = (model: EngineModel<unknown, unknown>, version: ModelVersion): Stage<unknown, unknown> =>
  isPredictor(model)
    ? stageOf(model as Predictor<unknown, unknown>)
    : modelStage(model as ModelFunction<unknown, unknown> | ModelObject<unknown, unknown>, { runtime: systemRuntime(), identity: identityOf(version), schema: {} })

/** The calls of the rows of one run. Each has the id and key that it has on the other side. */
export const rowCalls = ({ calls, facts, isShadow }: Pick<RowsMessage, 'calls' | 'facts' | 'isShadow'>): Call[] => {
  const runtime = systemRuntime()
  const options = { idempotent: facts.isIdempotent }
  const deadline = facts.remainingMs === Infinity ? Infinity : runtime.clock.now() + facts.remainingMs
  return calls.map(({ id, key }) => {
    const call = new Call(runtime, options, key, id)
    call.isShadow = isShadow
    call.deadline = deadline
    if (facts.traceContext !== undefined) call.note().traceContext = facts.traceContext
    return call
  })
}

/** Asks for the rows. Never rejects: what fails as a whole fails every row. */
export const askRows = async (stage: Stage<unknown, unknown>, rows: readonly unknown[], calls: readonly Call[], single: boolean): Promise<Row<unknown>[]> => {
  if (!single) return await stage.many(rows, new BatchCall(systemRuntime(), calls))
  try {
    return [await stage.one(rows[0], calls[0] as Call)]
  } catch (error) {
    return [new RowFailure(error)]
  }
}
