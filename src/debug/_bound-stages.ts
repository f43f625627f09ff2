/** The stages that a call is bound at: which variant it was sent to, and the bytes of the version that served it. */
import type { VariantChoice } from '../core/call-notes.js'
import { hasCode } from '../core/errors.js'
import type { PredictionRecord } from '../core/record.js'
import type { ModelSource, ModelVersion } from '../models/store/model-source.js'
import type { Assigner } from '../route/assigner.js'
import { failureOf } from './_failure.js'
import type { Again } from './_rerun.js'
import type { StageFinding } from './explanation.js'

/** How a route is checked. */
export interface RouteCheck {
  /** Assigners of the splits on the way, made as the splits were. */
  readonly assigners: readonly Pick<Assigner<string>, 'name' | 'choose' | 'unitHash' | 'epoch'>[]
  /** The unit of a prediction: records have only its hash. */
  readonly unit: (record: PredictionRecord) => string | undefined | Promise<string | undefined>
  /** The version that each variant serves, by the variant's name. @default not checked */
  readonly versions?: Readonly<Record<string, string>>
}

type Verdict = Pick<StageFinding, 'status' | 'says'>

const differs = (says: string): Verdict => ({ status: 'differs', says })
const notChecked = (says: string): Verdict => ({ status: 'not checked', says })

/** The variant that the unit got, against the assigner's. */
export const routeStage = async (record: PredictionRecord, check: RouteCheck | undefined): Promise<StageFinding> => {
  const verdicts = record.variants.length === 0 ? [notChecked('no router chose')] : check === undefined ? [notChecked('no assigner')] : await verdictsOf(record, check)
  const { status, says } = (verdicts.find((one) => one.status === 'differs') ?? verdicts.find((one) => one.status === 'not checked') ?? verdicts[0]) as Verdict
  return { stage: 'route', status, says, differences: [] }
}

const verdictsOf = async (record: PredictionRecord, { assigners, unit, versions }: RouteCheck): Promise<Verdict[]> => {
  let name: string | undefined
  try {
    name = await unit(record)
  } catch (error) {
    return [notChecked(`\`unit\` failed with ${failureOf(error)}`)]
  }
  const verdicts = record.variants.map((choice) => verdictOf(choice, assigners.find((one) => one.name === choice.split), name))
  // The innermost router decides which version serves.
  const last = record.variants.at(-1) as VariantChoice
  const version = versions?.[last.variant]
  if (version !== undefined && record.source !== 'fallback' && version !== record.identity.version) verdicts.push(differs(`${last.variant} serves version ${version}, and version ${record.identity.version} answered`))
  return verdicts
}

const verdictOf = (choice: VariantChoice, assigner: RouteCheck['assigners'][number] | undefined, unit: string | undefined): Verdict => {
  const { split, variant, reason, epoch, propensity } = choice
  if (assigner === undefined) return notChecked(`no assigner of ${split}`)
  if (reason === 'external') return notChecked(`another system chose ${variant}`)
  if (unit === undefined) return notChecked('no unit')
  if (choice.unit !== undefined && choice.unit !== assigner.unitHash(unit)) return differs(`${split} chose for another unit`)
  if (epoch !== assigner.epoch.number) return notChecked(`${split} chose in epoch ${epoch}, the assigner is in epoch ${assigner.epoch.number}`)
  const expected = assigner.choose(unit)
  if (reason === 'sticky' && expected.reason === 'assigned') return { status: 'same', says: `${variant}, kept of an earlier call` }
  if (expected.variant !== variant) return differs(`${split} gave ${variant}, and the unit belongs to ${expected.variant}`)
  if (reason === expected.reason && Math.abs(expected.propensity - propensity) > 1e-9) return differs(`${split} gave ${variant} with probability ${propensity}, and the weights say ${expected.propensity}`)
  return { status: 'same', says: `${variant} of ${split}, as the assigner says` }
}

/** The digest of the version that served, against the store's, and every byte against its hash. */
export const bytesStage = async (record: PredictionRecord, store: Pick<ModelSource, 'resolve' | 'open'> | undefined, now: Again | undefined): Promise<StageFinding> => {
  const { status, says } = await bytesVerdict(record, store, now)
  return { stage: 'model bytes', status, says, differences: [] }
}

const short = (digest: string): string => digest.slice(0, 12)

const bytesVerdict = async ({ identity, source }: PredictionRecord, store: Pick<ModelSource, 'resolve' | 'open'> | undefined, now: Again | undefined): Promise<Verdict> => {
  const { name, version, digest } = identity
  if (source === 'fallback') return notChecked('a fallback answered')
  if (digest === undefined) return notChecked('the record has no digest')
  if (store === undefined) {
    const asked = now?.identity.digest
    if (asked === undefined || now?.identity.version !== version) return notChecked('no store')
    return asked === digest ? { status: 'same', says: `${short(digest)}, as the predictor's` } : differs(`${name}@${version} was ${short(digest)}, and the predictor's is ${short(asked)}`)
  }
  let found: ModelVersion
  try {
    found = await store.resolve(`${name}@${version}`)
  } catch (error) {
    if (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) return differs(`the manifest of ${name}@${version} is damaged`)
    return notChecked(`the store does not give ${name}@${version}: ${failureOf(error)}`)
  }
  if (found.digest !== digest) {
    const other = await store.resolve(`${name}@${digest}`).catch(() => undefined)
    return differs(`${short(digest)} served, and ${name}@${version} is ${short(found.digest)} in the store${other === undefined ? '' : ` (it was ${name}@${other.version})`}`)
  }
  try {
    await store.open(found)
  } catch (error) {
    if (hasCode(error, 'ERR_OUTRIGGER_MODEL_CORRUPT')) return differs(`a file of ${name}@${version} is not what its hash says`)
    return notChecked(`the store does not open ${name}@${version}: ${failureOf(error)}`)
  }
  return { status: 'same', says: `${short(digest)}, every file as its hash says` }
}
