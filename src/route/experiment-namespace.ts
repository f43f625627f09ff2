import { InvalidOptionError } from '../core/errors.js'
import { numberOption, optionsObject, stringOption } from '../core/options.js'
import { Lanes, namespaceSeed } from './_lanes.js'

/** Options of {@link experimentNamespace}. */
export interface ExperimentNamespaceOptions {
  /** Separates namespaces: units that share an experiment in one do not in another. */
  readonly name: string
  /** Experiment → the stretch of units it has, as `[from, to)` in [0, 1]. */
  readonly ranges: Readonly<Record<string, readonly [from: number, to: number]>>
}

/** Experiments of which each unit is in one at most. */
export interface ExperimentNamespace {
  readonly name: string
  readonly ranges: Readonly<Record<string, readonly [from: number, to: number]>>
  /** Whether a unit may be in an experiment of it. */
  includes(experiment: string, unit: string): boolean
}

const space = 4294967296

/**
 * Makes experiments exclude each other: each has a stretch of the units to itself, and a unit is in at most one.
 *
 * Give it to the {@link split} (or {@link assigner}) of each experiment, whose `name` says which stretch is its. Who is in no stretch, and who is in
 * that of another experiment, gets the control by `default`. The point of a unit is MurmurHash3 x86 32 of `namespace:unit` and has nothing to do
 * with its variants, nor with its point in another namespace. A stretch that grows keeps its units.
 *
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` when ranges overlap, or are not in [0, 1]
 * @example
 * ```ts
 * import { experimentNamespace } from 'outrigger/route'
 * const checkout = experimentNamespace({ name: 'checkout', ranges: { price: [0, 0.5], ranking: [0.5, 1] } })
 * const both = (unit: string) => [checkout.includes('price', unit), checkout.includes('ranking', unit)]
 * assert.notEqual(both('user-17')[0], both('user-17')[1])
 * assert.throws(() => experimentNamespace({ name: 'x', ranges: { a: [0, 0.6], b: [0.5, 1] } }), /overlap/)
 * ```
 */
export const experimentNamespace = (options: ExperimentNamespaceOptions): ExperimentNamespace => {
  const owner = 'an experiment namespace'
  optionsObject(owner, options, ['name', 'ranges'])
  const name = stringOption(owner, 'name', options.name)
  optionsObject('the ranges of an experiment namespace', options.ranges, Object.keys(options.ranges ?? {}))
  const stretches = new Map<string, { readonly from: number; readonly to: number }>()
  for (const [experiment, range] of Object.entries(options.ranges)) {
    if (!Array.isArray(range) || range.length !== 2) throw new InvalidOptionError(`Cannot create ${owner} as the range of \`${experiment}\` must be [from, to]: current value is ${JSON.stringify(range)}`)
    const from = numberOption(owner, experiment, range[0], { min: 0, max: 1 })
    const to = numberOption(owner, experiment, range[1], { min: from, max: 1 })
    for (const [other, [start, end]] of Object.entries(options.ranges)) {
      if (other === experiment) break
      if (from < end && start < to) throw new InvalidOptionError(`Cannot create ${owner} as the ranges of \`${other}\` and \`${experiment}\` overlap: current value is [${start}, ${end}) and [${from}, ${to})`)
    }
    stretches.set(experiment, { from: Math.round(from * space), to: Math.round(to * space) })
  }
  const lanes = new Lanes(`${name}:`, namespaceSeed)
  return {
    name,
    ranges: Object.freeze({ ...options.ranges }),
    includes: (experiment, unit) => {
      const stretch = stretches.get(experiment)
      if (stretch === undefined) return false
      lanes.read(unit)
      const point = lanes.arm >>> 0
      return point >= stretch.from && point < stretch.to
    },
  }
}
