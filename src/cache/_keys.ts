/** Makes the keys of one cache. */
import type { Call } from '../core/call.js'
import type { LayerHost } from '../core/layer.js'
import type { MaskableSchema } from '../core/masking.js'
import { CacheKey, type Scope } from './cache-key.js'
import { encode, encodeWithParts, viewKind, type Parts } from './content-key.js'
import { quantiser, type Quantise } from './_quantise.js'
import { schemaKey, type SchemaKey } from './_schema-key.js'

/** What of an input makes its key. */
export interface KeyRule<I> {
  readonly key?: ((input: I) => unknown) | undefined
  readonly schema?: MaskableSchema | undefined
  readonly quantise?: Quantise | undefined
}

/** So many versions and variants are told apart at a time; answers of one that is forgotten are found no more. */
const mostScopes = 1024

/** So many of them are asked when the live one fails. */
const recentScopes = 8

const noVersion: Scope = { id: 0, text: '', identity: { name: '', version: '', digest: undefined } }

/** Keys by a rule, with a seed of their own. */
export class Keys<I> {
  readonly #rule: KeyRule<I>['key']
  readonly #bySchema: SchemaKey | undefined
  readonly #round: ((input: unknown) => unknown) | undefined
  readonly #seed: number
  /** How inputs become texts. A `key` function cannot be told from another one. */
  readonly #name: string
  readonly #host: Pick<LayerHost, 'scope' | 'served'>
  readonly #scopes = new Map<string, Scope>()
  #recent: Scope[] = []
  #nextId = 1

  constructor(rule: KeyRule<I>, seed: number, host: Pick<LayerHost, 'scope' | 'served'>) {
    this.#host = host
    this.#rule = rule.key
    this.#bySchema = rule.schema === undefined ? undefined : schemaKey(rule.schema)
    this.#round = rule.quantise === undefined ? undefined : quantiser('cached', rule.quantise)
    this.#seed = seed
    this.#name = rule.schema === undefined && rule.quantise === undefined ? '' : encode([rule.schema && Object.keys(rule.schema.fields), rule.quantise], [], undefined)
  }

  /** @throws `ERR_OUTRIGGER_UNCACHEABLE`, and whatever the user's `key` function throws */
  of(input: I, call: Call): CacheKey {
    return this.#make(input, this.#scope(call))
  }

  /** The key of an input, for what is the same in all versions. */
  ofNoVersion(input: I): CacheKey {
    return this.#make(input, noVersion)
  }

  #make(input: I, scope: Scope): CacheKey {
    const chosen: unknown = this.#rule === undefined ? input : this.#rule(input)
    const content = this.#round === undefined ? chosen : this.#round(chosen)
    // A lone typed array, the most frequent input of all: no text is made for it.
    if (ArrayBuffer.isView(content) && (content as { readonly shape?: unknown }).shape === undefined) {
      return CacheKey.of(scope, viewKind(content), new Uint8Array(content.buffer, content.byteOffset, content.byteLength), this.#seed, this.#name)
    }
    const parts: Parts = []
    let text = this.#bySchema?.(content, parts)
    if (text === undefined) {
      // What the schema's key has taken out before it gave up.
      parts.length = 0
      text = encodeWithParts(content, parts)
    }
    return CacheKey.of(scope, text, parts, this.#seed, this.#name)
  }

  /** What the call is bound to; from now on it is the most recent one. */
  #scope(call: Call): Scope {
    const text = this.#host.scope(call)
    const latest = this.#recent[0]
    if (latest?.text === text) return latest
    let scope = this.#scopes.get(text)
    if (scope === undefined) {
      scope = { id: this.#nextId, text, identity: this.#host.served(call) }
      this.#nextId += 1
      this.#scopes.set(text, scope)
      if (this.#scopes.size > mostScopes) this.#scopes.delete(this.#scopes.keys().next().value as string)
    }
    this.#recent = [scope, ...this.#recent.filter((other) => other !== scope)].slice(0, recentScopes)
    return scope
  }

  /** The key of the same input for the versions and variants that served lately, the latest first, but for its own. */
  others(key: CacheKey): CacheKey[] {
    return this.#recent.filter((scope) => scope !== key.scope).map((scope) => key.in(scope))
  }
}
