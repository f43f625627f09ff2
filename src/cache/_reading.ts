/** Tells what a store gave from what it should not have given. */
import type { CacheReading } from './cache-store.js'

/** Whether it has the form of a reading, all fields that are looked at included. */
export const isReading = (value: unknown): value is CacheReading => {
  if (typeof value !== 'object' || value === null || !('answer' in value)) return false
  const { answer } = value as { readonly answer: unknown }
  if (answer === undefined) return true
  if (typeof answer !== 'object' || answer === null || !('output' in answer || 'refusal' in answer)) return false
  const { at, freshUntil, tookMs, tags, identity, refusal } = answer as Record<string, unknown>
  return isTime(at) && isTime(freshUntil) && isTime(tookMs) && isStrings(tags) && isIdentity(identity) && (refusal === undefined || isRefusal(refusal))
}

const isTime = (value: unknown): boolean => typeof value === 'number' && !Number.isNaN(value)

const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string')

const isIdentity = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { name, version, digest } = value as Record<string, unknown>
  return typeof name === 'string' && typeof version === 'string' && (digest === undefined || typeof digest === 'string')
}

const isRefusal = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { name, message, code, data } = value as Record<string, unknown>
  return typeof name === 'string' && typeof message === 'string' && (code === undefined || typeof code === 'string') && typeof data === 'object' && data !== null
}
