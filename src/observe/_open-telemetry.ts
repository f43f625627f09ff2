/** `@opentelemetry/api`, loaded when a span or an instrument of it is first wanted: who only wants `/metrics` does not need it. */
import { createRequire } from 'node:module'
import type * as Api from '@opentelemetry/api'
import { OutriggerError } from '../core/errors.js'

type OpenTelemetry = typeof Api

const packageName = '@opentelemetry/api'
let loaded: OpenTelemetry | undefined

/**
 * The API that the host has. In Node `import` and `require` of it give the same copy, so that a provider that the host registers later
 * is found too.
 *
 * @throws `ERR_OUTRIGGER_PEER_MISSING`
 */
export const openTelemetry = (): OpenTelemetry => {
  try {
    return (loaded ??= createRequire(import.meta.url)(packageName) as OpenTelemetry)
  } catch (cause) {
    throw new OutriggerError('ERR_OUTRIGGER_PEER_MISSING', `Cannot make spans as the package \`${packageName}\` (>=1.4 <2) must be installed: current value is no such package`, { cause, package: packageName })
  }
}

/** Where the API keeps what an SDK registered; `undefined` while none has, and then nothing is loaded for it. */
const registered = Symbol.for('opentelemetry.js.api.1')

/** The span that is active now, if an SDK was set up. */
export const activeTrace = (): { readonly traceId: string; readonly spanId: string } | undefined => {
  if (!(registered in globalThis)) return undefined
  try {
    const { isSpanContextValid, trace } = openTelemetry()
    const found = trace.getActiveSpan()?.spanContext()
    return found !== undefined && isSpanContextValid(found) ? found : undefined
  } catch {
    return undefined // The copy that an SDK uses is not one that can be found from here.
  }
}
