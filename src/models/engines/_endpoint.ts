/**
 * Where a remote model is: what the file of the version says, within what the code allows. A manifest comes from a
 * store; left to itself it could send a service to any host inside of its network.
 */
import { InvalidOptionError, OutriggerError } from '../../core/errors.js'
import { openInference } from './_open-inference.js'
import type { RemoteProtocol } from './_remote-protocol.js'
import { tensorflowServing } from './_tensorflow-serving.js'

/** What code allows: one base URL for all versions, or the origins that a version may name. */
export type EndpointPolicy = { readonly baseUrl: URL } | { readonly origins: ReadonlySet<string> }

/** A URL of HTTP without credentials, query and fragment, its path ending in `/`. */
const usableUrl = (text: unknown): URL | undefined => {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return undefined
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

/** @throws `ERR_OUTRIGGER_INVALID_OPTION` */
export const endpointPolicy = (baseUrl: string | undefined, origins: readonly string[] | undefined): EndpointPolicy => {
  const refuse = (constraint: string, value: unknown): never => {
    throw new InvalidOptionError(`Cannot create an HTTP engine as ${constraint}: current value is ${JSON.stringify(value)}`)
  }
  if ((baseUrl === undefined) === (origins === undefined)) return refuse('it must have either `baseUrl` or `origins`, so that a version cannot send it to any host', { baseUrl, origins })
  if (baseUrl !== undefined) return { baseUrl: usableUrl(baseUrl) ?? refuse('`baseUrl` must be a URL of http or https without credentials, query and fragment', baseUrl) }
  if (!Array.isArray(origins) || origins.length === 0) return refuse('`origins` must be a list of origins', origins)
  return { origins: new Set((origins as string[]).map((origin) => (usableUrl(origin)?.pathname === '/' ? new URL(origin).origin : refuse('`origins` must be such as "https://models.example:8080"', origin)))) }
}

/** A model behind a URL, as the file of a version describes it. */
export interface Endpoint {
  readonly base: URL
  readonly protocol: RemoteProtocol
}

const shared = ['protocol', 'url', 'model', 'version']
const own: Readonly<Record<string, readonly string[]>> = { v2: ['binary'], tensorflow: ['label', 'signatureName', 'format'] }
const isSegment = (value: unknown): boolean => typeof value === 'string' && /^(?!\.{1,2}$)\P{C}{1,256}$/u.test(value)

/**
 * @param json - the parsed file
 * @throws `ERR_OUTRIGGER_MODEL_CORRUPT` if it is no endpoint
 * @throws `ERR_OUTRIGGER_MODEL_UNTRUSTED` if its URL is not one that the code allows
 */
export const endpointOf = (json: unknown, file: string, policy: EndpointPolicy): Endpoint => {
  const fields = Object(json) as Readonly<Record<string, unknown>>
  const check = (holds: boolean, constraint: string, value: unknown): void => {
    if (!holds) throw new OutriggerError('ERR_OUTRIGGER_MODEL_CORRUPT', `Cannot load the remote model as ${constraint} in ${file}: current value is ${JSON.stringify(value)}`)
  }
  const { protocol, url, model, version, label, signatureName, binary, format } = fields
  check(typeof protocol === 'string' && Object.hasOwn(own, protocol), '`protocol` must be "v2" or "tensorflow"', protocol)
  const known = [...shared, ...(own[protocol as string] as readonly string[])]
  for (const name of Object.keys(fields)) check(known.includes(name), `there is no field \`${name}\` for protocol ${String(protocol)} (there are ${known.join(', ')})`, fields[name])
  check(isSegment(model), '`model` must be a name', model)
  for (const [name, value] of Object.entries({ version, label, signatureName })) check(value === undefined || isSegment(value), `\`${name}\` must be a name, as a string`, value)
  check(version === undefined || label === undefined, 'there must not be both `version` and `label`', label)
  check(binary === undefined || typeof binary === 'boolean', '`binary` must be true or false', binary)
  check(format === undefined || format === 'row' || format === 'columnar', '`format` must be "row" or "columnar"', format)
  const target = { ...fields, model: model as string } as { readonly model: string }
  return { base: baseOf(url, file, policy), protocol: protocol === 'v2' ? openInference(target) : tensorflowServing(target) }
}

const baseOf = (given: unknown, file: string, policy: EndpointPolicy): URL => {
  const refuse = (code: 'ERR_OUTRIGGER_MODEL_CORRUPT' | 'ERR_OUTRIGGER_MODEL_UNTRUSTED', constraint: string): never => {
    throw new OutriggerError(code, `Cannot load the remote model as ${constraint}: current value of \`url\` in ${file} is ${JSON.stringify(given)}`)
  }
  if ('baseUrl' in policy) return given === undefined ? policy.baseUrl : refuse('ERR_OUTRIGGER_MODEL_UNTRUSTED', 'the engine has a `baseUrl` of its own, which no version may change')
  const url = usableUrl(given) ?? refuse('ERR_OUTRIGGER_MODEL_CORRUPT', 'it must have a URL of http or https without credentials, query and fragment')
  return policy.origins.has(url.origin) ? url : refuse('ERR_OUTRIGGER_MODEL_UNTRUSTED', 'its origin must be one of the `origins` of the engine')
}
