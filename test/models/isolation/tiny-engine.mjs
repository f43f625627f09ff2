// The engine of the tests of isolation: tensors in, tensors times a factor out; what goes wrong is asked for by the first value.
// It is JavaScript, so that workers and processes load it as it is.
import { writeFileSync } from 'node:fs'

const spin = (ms) => {
  const until = performance.now() + ms
  while (performance.now() < until);
}

const acts = {
  abort: () => process.abort(),
  hang: () => { for (;;); },
  exit: () => process.exit(0),
  memory: () => { const all = []; for (;;) all.push(new Array(100_000).fill(all.length)) },
  slow: () => spin(200),
  reject: async () => {
    void Promise.reject(new Error('nobody catches this'))
    await new Promise((resolve) => setTimeout(resolve, 10_000))
  },
  throw: () => { throw Object.assign(new RangeError('the engine threw', { cause: new Error('the cause') }), { code: 'ERR_TINY', detail: { at: 3 } }) },
  throwLater: () => { setImmediate(() => { throw new TypeError('thrown after the run') }) },
  thrownText: () => Promise.reject('a text'),
  print: () => { process.stdout.write('a line on stdout\n'); process.stderr.write('a line on stderr\n') },
  flood: () => { for (let line = 0; line < 5_000; line += 1) process.stdout.write(`line ${line}\n`) },
  wait: (call) => new Promise((_resolve, reject) => call.signal.addEventListener('abort', () => reject(new Error('told to stop')))),
  badOutput: () => {},
  facts: () => {},
  sleep: () => new Promise((resolve) => setTimeout(resolve, 50)),
}

/** -1 is the first act, -2 the second… */
const actOf = (value) => Object.keys(acts)[-value - 1]

/** A tensor engine. `faults.json` says what goes wrong when a model is loaded or disposed. */
export const tiny = (options) => ({
  name: 'tiny',
  load: async (files, version) => {
    const { load, dispose, log, keepAlive, factor: factorFrom } = { ...options, ...(files.has('faults.json') ? files.json('faults.json') : {}) }
    const note = (what) => { if (log !== undefined) writeFileSync(log, `${what} ${process.pid}\n`, { flag: 'a' }) }
    note('load')
    if (load === 'throw') throw new SyntaxError('cannot load')
    if (load === 'abort') process.abort()
    if (load === 'hang') for (;;);
    if (load === 'hang-async') await new Promise((resolve) => setTimeout(resolve, 1e9))
    if (load === 'slow') spin(300)
    if (keepAlive) setInterval(() => {}, 1000)
    const factor = factorFrom === 'environment' ? Number(process.env.FACTOR) : files.json('factor.json')
    const tensor = { name: 'x', dtype: 'float32', shape: [null, 1] }
    return {
      describe: () => ({ batchable: true, bytes: 1000, signature: { inputs: [tensor], outputs: [{ ...tensor, name: 'y' }] } }),
      run: async ({ x }, call) => {
        const act = actOf(x.data[0])
        if (act !== undefined) await acts[act](call)
        if (act === 'badOutput') return { y: { dtype: 'float32', shape: [1], data: () => {} } }
        if (act === 'facts') return { y: { dtype: 'float64', shape: [1, 3], data: new Float64Array([process.pid, call.isIdempotent ? 1 : 0, call.remainingMs()]) }, trace: { dtype: 'string', shape: [2], data: [String(call.traceContext?.traceparent), String(call.traceContext?.tracestate)] } }
        return { y: { dtype: x.dtype, shape: x.shape, data: x.data.map((value) => value * factor) }, version: { dtype: 'string', shape: [1], data: [`${version.name}@${version.version}`] } }
      },
      dispose: () => {
        note('dispose')
        if (dispose === 'throw') throw new Error('cannot dispose')
        if (dispose === 'hang') for (;;);
      },
    }
  },
})

export const broken = () => { throw new Error('no engine today') }

export const nothing = 42

/** An engine of rows. */
export const rows = {
  name: 'rows',
  load: async (files) => {
    const factor = files.json('factor.json')
    return {
      predict: async (row, call) => {
        if (row === 'call') return { id: call.id, key: call.key, isShadow: call.isShadow, isIdempotent: call.isIdempotent, remainingMs: call.remainingMs(), traceContext: call.traceContext }
        if (row === 'function') return () => {}
        if (row === 'throw') throw new Error('no such row')
        if (row === 'exit') process.exit(0)
        return ArrayBuffer.isView(row) ? row.map((value) => value * factor) : row * factor
      },
    }
  },
}
