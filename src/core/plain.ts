/** What counts as plain data: whose whole state can be seen and copied. */

/** Containers of plain data. */
export type PlainKind = 'Object' | 'Array' | 'Date' | 'Map' | 'Set' | 'ArrayBuffer'

const containers: ReadonlySet<string> = new Set(['Date', 'Map', 'Set', 'ArrayBuffer'])

/**
 * The kind of a container, also of one from another realm (Jest runs tests in one); `undefined` for an instance of any
 * other class, and of a subclass, which may hold fields that cannot be seen.
 */
export const plainKind = (value: object): PlainKind | undefined => {
  const prototype = Object.getPrototypeOf(value) as object | null
  if (prototype === Object.prototype || prototype === null) return 'Object'
  const parent = Object.getPrototypeOf(prototype) as object | null
  const name = (prototype.constructor as { readonly name?: string } | undefined)?.name
  if (parent === null) return name === 'Object' ? 'Object' : undefined
  // Only what stands directly on the root of its realm is no subclass.
  if (Object.getPrototypeOf(parent) !== null) return undefined
  if (Array.isArray(value)) return name === 'Array' ? 'Array' : undefined
  const tag = Object.prototype.toString.call(value).slice(8, -1)
  return tag === name && containers.has(tag) ? (tag as PlainKind) : undefined
}
