/** A limit per tenant, by rows: one tenant's flood does not touch the others, and tells the flood when to come back. */
import assert from 'node:assert/strict'
import { pipe } from 'outrigger'
import { rateLimit } from 'outrigger/resilience'

const limit = rateLimit({ perSecond: 50, burst: 10, key: 'call', maxWaitMs: 1000 })
const predict = pipe(async (km: number) => km * 1.6, limit)

const startedAt = performance.now()
const flood = Array.from({ length: 100 }, (_, km) => predict(km, { key: 'flood' }))
const guest = await predict(10, { key: 'guest' })
const guestMs = performance.now() - startedAt
const fates = await Promise.allSettled(flood)
const elapsedMs = performance.now() - startedAt
const answered = fates.filter(({ status }) => status === 'fulfilled').length
const rejected = fates.flatMap((fate) => (fate.status === 'rejected' ? [fate.reason as Error & { code: string; retryAfterMs: number }] : []))

assert.equal(guest, 16)
assert.ok(guestMs < elapsedMs / 2)
assert.ok(answered <= 10 + (50 * elapsedMs) / 1000)
assert.ok(answered >= 55 && rejected.every(({ code, retryAfterMs }) => code === 'ERR_OUTRIGGER_RATE_LIMITED' && retryAfterMs > 1000))
console.log(`The flood got ${answered} of 100 answers in ${Math.round(elapsedMs)} ms; the guest waited ${guestMs.toFixed(1)} ms.`)
