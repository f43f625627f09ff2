/** A worker of BullMQ in a process of its own, which the test kills, stops and starts anew. Arguments: folder, port of Redis. */
import { Worker } from 'bullmq'
import { killJob } from './_kill-job.js'

const [folder = '', port = '0'] = process.argv.slice(2)
const say = (message: object): void => void process.send?.(message)
const job = killJob(folder)

// Locks are short, so that the test need not wait long for the parts of the dead.
const worker = new Worker(
  'scoring',
  async (queued, token, signal) => {
    say({ started: (queued.data as { part: number }).part })
    try {
      return await job.process(queued as never, token, signal)
    } finally {
      say({ ended: (queued.data as { part: number }).part })
    }
  },
  { connection: { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null }, lockDuration: 1000, stalledInterval: 400, maxStalledCount: 10_000, drainDelay: 1 },
)
// A lock that was lost while the process stood still.
worker.on('error', (error) => say({ error: error.message }))
process.on('message', () => void worker.close().then(() => process.exit(0)))
say({ ready: true })
