/** Makes an engine from a module and the name of its export, in the isolate or here. */
import { InvalidOptionError } from '../../core/errors.js'
import type { Engine, TensorEngine } from '../engines/engine.js'
import type { EngineSource } from './_protocol.js'

type Module = Readonly<Record<string, unknown>>

/** Engines of ours. Each is loaded at first use, and what it needs with it. */
const ours: Readonly<Record<string, () => Promise<Module>>> = {
  'outrigger:tfjs': () => import('../engines/tfjs.js') as Promise<Module>,
  'outrigger:onnx': () => import('../engines/onnx.js') as Promise<Module>,
}

const isEngine = (value: unknown): value is Engine<unknown, unknown> | TensorEngine =>
  typeof value === 'object' && value !== null && typeof (value as Partial<TensorEngine>).load === 'function'

/** @throws `ERR_OUTRIGGER_INVALID_OPTION` if the module has no such engine; whatever the module throws */
export const makeEngine = async ({ module: specifier, export: name, options, adapter }: EngineSource): Promise<Engine<unknown, unknown> | TensorEngine> => {
  const module = await (ours[specifier]?.() ?? (import(specifier) as Promise<Module>))
  const exported = module[name] ?? (module['default'] as Module | undefined)?.[name] // CommonJS, as an import shows it
  const made: unknown = typeof exported === 'function' ? await (exported as (options: unknown) => unknown)(options) : exported
  const engine = adapter && isEngine(made) && 'tensors' in made ? made.tensors : made
  if (!isEngine(engine)) {
    throw new InvalidOptionError(`Cannot make the engine as the export \`${name}\` of ${specifier} must be an engine, or a function that makes one: current value is ${exported === undefined ? `undefined (it has ${Object.keys(module).join(', ') || 'no exports'})` : typeof made}`)
  }
  return engine
}
