/** A service with a fault in one stage of its path, somewhere: how often does `explain` name the stage? */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { layer, pipe, predictor, seededRandom, type PredictionRecord, type Predictor, type Random, type RowFailure } from 'outrigger'
import { cached } from 'outrigger/cache'
import { mapInput, mapOutput } from 'outrigger/compose'
import { checkpoint, explain, type Explanation, type StageName } from 'outrigger/debug'
import { memoryDepot, modelStore, type ModelStore } from 'outrigger/models'
import { validated } from 'outrigger/quality'
import { assigner, split } from 'outrigger/route'
import { declared, defineSchema } from 'outrigger/schema'

export interface Row {
  readonly km: number
  readonly hour: number
  readonly rate: number
  readonly carrier: string
}
interface Answer {
  readonly minutes: number
  readonly late: boolean
}

const carriers = ['AA', 'DL', 'UA', 'WN']
const input = defineSchema({ km: { type: 'number', min: 0, max: 5000 }, hour: { type: 'integer', min: 0, max: 23 }, rate: { type: 'number', min: 0, max: 1 }, carrier: { type: 'category', categories: carriers } })
const prepared = defineSchema({ km: { type: 'number' }, hour: { type: 'number' }, rate: { type: 'number' }, carrier: { type: 'number' } })
const logit = defineSchema({ logit: { type: 'number' } })
const answer = defineSchema({ minutes: { type: 'number' }, late: { type: 'boolean' } })

/** What a fault may change, stage by stage; what is left out is as it should be. */
interface Parts {
  readonly served: (row: Row, id: string) => Row
  readonly isChecked: boolean
  readonly high: number
  readonly prepare: (vector: number[], row: Row) => number[]
  readonly key: ((row: Row) => string) | undefined
  readonly quantise: number
  readonly onHit: (value: number) => number
  readonly weights: { readonly old: number; readonly next: number }
  readonly unitOf: (unit: string) => string
  readonly versions: { readonly old: string; readonly next: string }
  readonly bytes: (coefficients: readonly number[], version: string) => readonly number[]
  readonly together: (logits: number[], rows: readonly number[][]) => number[]
  readonly post: (logit: number, clean: Answer) => Answer
}

const clean = (logitValue: number): Answer => ({ minutes: Math.round(100 * logitValue) / 10, late: logitValue > 4 })
const sound: Parts = {
  served: (row) => row,
  isChecked: true,
  high: 5000,
  prepare: (vector) => vector,
  key: undefined,
  quantise: 0,
  onHit: (value) => value,
  weights: { old: 0.6, next: 0.4 },
  unitOf: (unit) => unit,
  versions: { old: '3', next: '4' },
  bytes: (coefficients) => coefficients,
  together: (logits) => logits,
  post: (_, usual) => usual,
}

/** A size over twelve decades, mostly small. */
const small = (random: Random): number => (random.next() < 0.5 ? -1 : 1) * 10 ** (-9 + 9 * random.next())
const scaled = (value: number, factor: number): number => {
  const moved = value * (1 + factor)
  return moved === value ? value + Number.EPSILON * Math.max(1, Math.abs(value)) : moved
}

/** The faults of each stage: what they change, drawn anew each time. */
export const faults: Readonly<Record<Exclude<StageName, 'model'>, readonly ((random: Random) => Partial<Parts>)[]>> = {
  features: [
    (random) => { const by = small(random); return { served: (row) => ({ ...row, rate: Math.min(1, Math.abs(scaled(row.rate, by))) }) } },
    (random) => { const which = random.integer(3); return { served: (row, id) => (Number(id.slice(2)) % 3 === which ? { ...row, rate: 0 } : row) } },
    (random) => { const late = carriers[random.integer(4)]!; return { served: (row) => (row.carrier === late ? { ...row, hour: (row.hour + 23) % 24 } : row) } },
  ],
  schema: [
    (random) => { const high = 200 + random.integer(4000); return { high } },
    (random) => { const by = small(random); const at = random.integer(3); return { prepare: (vector) => vector.map((value, index) => (index === at ? scaled(value, by) : value)) } },
    () => ({ prepare: (vector, { carrier }) => [...vector.slice(0, 3), (carriers.indexOf(carrier) + 1) % 4] }),
    () => ({ isChecked: false }),
  ],
  cache: [
    (random) => { const left = (['hour', 'rate', 'carrier'] as const)[random.integer(3)]!; return { key: (row) => JSON.stringify({ ...row, [left]: undefined }) } },
    (random) => { const step = 10 ** (1 + 2 * random.next()); return { key: ({ km, hour, carrier }) => `${Math.round(km / step)} ${hour} ${carrier}` } },
    (random) => { const by = small(random); return { onHit: (value) => scaled(value, by) } },
  ],
  route: [
    (random) => { const shift = 1 + random.integer(9); return { unitOf: (unit) => `user-${Number(unit.slice(5)) + shift}` } },
    (random) => { const next = 0.42 + 0.5 * random.next(); return { weights: { old: 1 - next, next } } },
    () => ({ versions: { old: '4', next: '3' } }),
  ],
  'model bytes': [
    (random) => { const at = random.integer(5); const by = small(random); return { bytes: (coefficients) => coefficients.map((value, index) => (index === at ? scaled(value, by) : value)) } },
    (random) => { const version = random.next() < 0.5 ? '3' : '4'; return { bytes: (coefficients, which) => (which === version ? coefficients.map((value) => -value) : coefficients) } },
  ],
  'batch companions': [
    () => ({ together: (logits) => (logits.length < 2 ? logits : [...logits.slice(1), logits[0]!]) }),
    (random) => { const at = random.integer(3); return { together: (logits) => (logits.length < at + 2 ? logits : logits.map((value, index) => (index === at ? logits[at + 1]! : value))) } },
  ],
  'post-processing': [
    (random) => { const by = small(random); return { post: (_, usual) => ({ ...usual, minutes: scaled(usual.minutes, by) }) } },
    (random) => { const digits = random.integer(2); return { post: (value, usual) => ({ ...usual, minutes: digits === 0 ? Math.floor(10 * value) : Math.floor(100 * value) / 10 }) } },
    (random) => { const cut = 4 + small(random) * 2 + 0.3; return { post: (value, usual) => ({ ...usual, late: value > cut }) } },
  ],
}

/** A model whose answers depend on the rows beside it, as those with a normalisation over the batch do. It is not mended in the reference: that is how it is. */
const leaning = (by: number) => (logits: number[]): number[] => {
  const mean = logits.reduce((sum, value) => sum + value, 0) / logits.length
  return logits.map((value) => value + by * (mean - value))
}

const publish = async (store: ModelStore, seed: number, bytes: Parts['bytes']): Promise<void> => {
  for (const version of ['3', '4']) {
    const random = seededRandom(`${seed} ${version}`)
    const coefficients = Array.from({ length: 5 }, () => 0.2 + random.next())
    await store.publish({ name: 'delay', version: Number(version), engine: 'function', files: { 'coefficients.json': JSON.stringify(bytes(coefficients, version)) } })
  }
}

const stackOf = async (store: ModelStore, parts: Parts, withCache: boolean, lean: number): Promise<Predictor<Row, Answer>> => {
  const arm = async (version: string): Promise<Predictor<Row, number>> => {
    const opened = await store.open(`delay@${version}`)
    const weights = opened.files.json('coefficients.json') as number[]
    const predictBatch = (rows: readonly number[][]): (number | RowFailure)[] => parts.together(leaning(lean)(rows.map((row) => weights[4]! + (row[0]! * weights[0]!) / 1000 + (row[1]! * weights[1]!) / 10 + row[2]! * weights[2]! + (row[3]! * weights[3]!) / 3)), rows as number[][])
    const model = predictor({ predictBatch: predictBatch as (rows: readonly number[][]) => number[] }, { name: 'delay', version, digest: opened.digest })
    return pipe(model, checkpoint('model', { input: prepared, output: logit }), mapInput((row: Row) => parts.prepare([row.km, row.hour, row.rate, carriers.indexOf(row.carrier)], row)))
  }
  const routed = split({ name: 'release', variants: { old: await arm(parts.versions.old), next: await arm(parts.versions.next) }, weights: parts.weights })
  const kept = withCache
    ? pipe(routed, cached({ ...(parts.key === undefined ? {} : { key: parts.key }) }), layer<Row, number>('shelf', {
        one: async (next, row, call) => { const value = await next(row, call); return call.source === 'cache' ? parts.onHit(value) : value },
        many: async (next, rows, batch) => (await next(rows, batch)).map((value, index) => (batch.rows[index]!.source === 'cache' && typeof value === 'number' ? parts.onHit(value) : value)),
      }))
    : routed
  const finished = pipe(kept, checkpoint('answer', { output: logit }), mapOutput((value: number) => parts.post(value, clean(value))))
  const checkedRows = parts.isChecked ? pipe(finished, validated(defineSchema({ ...input.fields, km: { type: 'number', min: 0, max: parts.high } }), { otherwise: 'flag', fields: { km: { range: 'clip' } } })) : finished
  return pipe(checkedRows, declared({ input, output: answer }))
}

/** What the feature store holds: the truth about a row. */
const trueRow = (random: Random, wild: number): Row => ({ km: random.next() < wild ? 5000 + 3000 * random.next() : 100 + Math.round(4000 * random.next()), hour: random.integer(24), rate: random.next(), carrier: carriers[random.integer(4)]! })

export interface Trial {
  readonly stage: string
  readonly said: string
  readonly explanation: Explanation
}

/** What makes it harder. */
export interface Hardship {
  /** Whether records have no checkpoints. */
  readonly isBlind?: boolean
  /** The share of the other records that are kept. */
  readonly kept?: number
  /** Takes a prediction that the fault has not touched. */
  readonly isUntouched?: boolean
}

/** Serves a little traffic with a fault in one stage (or none), takes a prediction that it touched, and asks why. */
export const trial = async (seed: number, stage: keyof typeof faults | 'none', hardship: Hardship = {}): Promise<Trial> => {
  const random = seededRandom(`trial ${seed}`)
  const kinds = stage === 'none' ? [] : faults[stage]
  const kind = random.integer(Math.max(1, kinds.length + (stage === 'batch companions' ? 1 : 0) + (stage === 'model bytes' ? 1 : 0)))
  const parts: Parts = { ...sound, ...kinds[kind]?.(random) }
  const lean = stage === 'batch companions' && kind === kinds.length ? Math.abs(small(random)) : 0
  const isDamaged = stage === 'model bytes' && kind === kinds.length
  const folder = isDamaged ? await mkdtemp(join(tmpdir(), 'debug7-')) : undefined
  const store = folder === undefined ? modelStore({ depot: memoryDepot() }) : modelStore({ path: folder })
  await publish(store, seed, (coefficients) => coefficients)
  const servedStore = parts.bytes === sound.bytes ? store : modelStore({ depot: memoryDepot() })
  if (servedStore !== store) await publish(servedStore, seed, parts.bytes)

  // Wild values only where the fault is that nobody checks them.
  const wild = parts.isChecked ? 0 : 0.3
  const truth = new Map<string, Row>()
  const units = new Map<string, string>()
  const sent: { readonly id: string; readonly row: Row }[] = []
  for (let at = 0; at < 48; at += 1) {
    const again = at > 12 && random.next() < 0.4 ? sent[random.integer(at)]! : undefined
    // Near-equal and half-equal rows, that a coarse key takes for the same.
    const row = again === undefined ? trueRow(random, wild) : random.next() < 0.5 ? again.row : { ...again.row, ...(random.next() < 0.5 ? { rate: random.next() } : random.next() < 0.5 ? { hour: random.integer(24) } : { carrier: carriers[random.integer(4)]! }) }
    const id = `p-${at}`
    sent.push({ id, row })
    truth.set(id, row)
    // A row that comes again is of the same unit, or it would not find what was kept for its arm.
    units.set(id, again === undefined ? `user-${random.integer(40)}` : units.get(again.id)!)
  }
  const serving = await stackOf(servedStore, parts, true, lean)
  const records: PredictionRecord[] = []
  for (let from = 0; from < sent.length;) {
    const many = sent.slice(from, from + [1, 1, 6, 8][random.integer(4)]!)
    from += many.length
    const options = (one: (typeof many)[number]): string => parts.unitOf(units.get(one.id)!)
    if (many.length === 1) records.push((await serving.detailed(parts.served(many[0]!.row, many[0]!.id), { id: many[0]!.id, key: options(many[0]!) })).record)
    else for (const result of await serving.detailedBatch(many.map(({ row, id }) => parts.served(row, id)), { ids: many.map(({ id }) => id), keys: many.map(options) })) records.push(result.record)
  }
  const stored = (JSON.parse(JSON.stringify(records)) as PredictionRecord[]).map((record) => ({ ...record, kind: 'prediction' }) as never as PredictionRecord)
  const reference = await stackOf(store, sound, false, lean)
  const release = assigner({ name: 'release', weights: sound.weights })

  const bare = await stackOf(store, sound, false, 0)
  const logitOf = (record: PredictionRecord, name: string): unknown => record.checkpoints.find((one) => one.name === name && one.side === 'output')?.value['logit']
  /** Whether the fault has touched a prediction, at the stage where it is. */
  const isTouched = async (record: PredictionRecord): Promise<boolean> => {
    const row = truth.get(record.id)!
    const vector = [row.km, row.hour, row.rate, carriers.indexOf(row.carrier)]
    // What it would be alone, without a cache, on its arm.
    const alone = (await bare.detailed(row, { key: units.get(record.id)! })).record
    switch (stage) {
      case 'none':
        return true
      case 'features':
        return JSON.stringify(parts.served(row, record.id)) !== JSON.stringify(row)
      case 'schema':
        return !parts.isChecked ? row.km > 5000 : parts.high < 5000 ? row.km > parts.high : record.source === 'model' ? JSON.stringify(parts.prepare(vector, row)) !== JSON.stringify(vector) : logitOf(alone, 'answer') !== logitOf(record, 'answer')
      case 'cache':
        return record.source === 'cache' && logitOf(alone, 'answer') !== logitOf(record, 'answer')
      case 'route':
        return parts.versions !== sound.versions || record.variants[0]!.variant !== alone.variants[0]!.variant
      case 'model bytes':
        return isDamaged || record.identity.digest !== alone.identity.digest
      case 'batch companions':
        // Also where it was kept of such a row.
        return logitOf(alone, 'answer') !== logitOf(record, 'answer')
      case 'post-processing':
        return JSON.stringify(parts.post(logitOf(alone, 'answer') as number, clean(logitOf(alone, 'answer') as number))) !== JSON.stringify(alone.output)
    }
  }
  const asking: PredictionRecord[] = []
  for (const record of stored) if ((await isTouched(record)) !== (hardship.isUntouched === true)) asking.push(record)
  if (asking.length === 0) {
    if (folder !== undefined) await rm(folder, { recursive: true })
    return await trial(seed + 100_000, stage, hardship)
  }
  const asked = asking[random.integer(asking.length)]!
  const outputs = stored
    .filter(({ id }) => id === asked.id || random.next() < (hardship.kept ?? 1))
    .map((record) => (hardship.isBlind === true ? { ...record, checkpoints: [] } : record))
  if (folder !== undefined) {
    const hash = (await store.resolve(`delay@${asked.identity.version}`)).manifest.files[0]!.sha256
    const path = (await readdir(folder, { recursive: true })).find((name) => name.endsWith(hash))!
    const bytes = await readFile(join(folder, path))
    const at = random.integer(bytes.length)
    bytes[at] = bytes[at]! ^ (1 << random.integer(8))
    await rm(join(folder, path))
    await writeFile(join(folder, path), bytes)
  }
  const explanation = await explain(asked.id, {
    source: outputs,
    predictor: reference,
    input,
    output: answer,
    features: ({ id }) => ({ ...truth.get(id)! }),
    route: { assigners: [release], unit: ({ id }) => units.get(id), versions: sound.versions },
    store,
  })
  if (folder !== undefined) await rm(folder, { recursive: true })
  return { stage: `${stage}/${kind}`, said: explanation.first?.stage ?? 'none', explanation }
}
