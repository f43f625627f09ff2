/** A process of its own that asks a shared limit as fast as it can, and writes how much it got and how long it took, in JSON. */
import { createClient } from 'redis'
import { pipe } from 'outrigger'
import { systemClock } from 'outrigger/core'
import { rateLimit, redisRateLimit } from 'outrigger/resilience'

const [port, rows, perSecond, burst] = process.argv.slice(2).map(Number) as [number, number, number, number]
const client = createClient({ socket: { host: '127.0.0.1', port } })
await client.connect()
const predict = pipe((x: number) => x, rateLimit({ perSecond, burst, store: redisRateLimit({ client }), storeTimeoutMs: 5000 }))
process.stdout.write('ready\n')
await new Promise((resolve) => process.stdin.once('data', resolve))
const startedAt = systemClock.wall()
let granted = 0
for (let row = 0; row < rows; row += 1) granted += await predict(1).catch(() => 0)
process.stdout.write(`${JSON.stringify({ granted, startedAt, endedAt: systemClock.wall() })}\n`)
client.destroy()
process.exit(0)
