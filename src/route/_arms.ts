/** What a unit gets, as a table lookup: made anew when weights change, allocating nothing for a call. */
import type { VariantChoice } from '../core/call-notes.js'
import type { Lanes } from './_lanes.js'
import type { Epoch } from './assigner.js'
import { layOut } from './lay-out.js'
import type { ExperimentNamespace } from './experiment-namespace.js'

const space = 4294967296

/** Says for each unit which slot it gets. A slot is made once per variant, reason and epoch. */
export class Arms<Slot> {
  /** Slots by variant, in the order of the weights: of units that were assigned, and of testers. */
  readonly assigned: readonly Slot[]
  readonly forced: readonly Slot[]
  /** Of units that are not in the experiment. */
  readonly default: Slot
  readonly #lanes: Lanes
  readonly #ends: readonly number[]
  readonly #slots: readonly Slot[]
  readonly #exposed: number
  readonly #namespace: ExperimentNamespace | undefined
  readonly #name: string

  constructor(
    { name, names, weights, exposure, epoch, namespace, lanes }: {
      readonly name: string
      readonly names: readonly string[]
      readonly weights: readonly number[]
      readonly exposure: number
      readonly epoch: Epoch
      readonly namespace: ExperimentNamespace | undefined
      readonly lanes: Lanes
    },
    make: (choice: VariantChoice, variant: number) => Slot,
  ) {
    this.#name = name
    this.#namespace = namespace
    this.#lanes = lanes
    this.#exposed = Math.round(exposure * space)
    const slot = (variant: number, reason: VariantChoice['reason'], propensity: number): Slot =>
      make(Object.freeze({ split: name, variant: names[variant] as string, reason, propensity, epoch: epoch.number, since: epoch.since }), variant)
    this.assigned = names.map((_, variant) => slot(variant, 'assigned', weights[variant] as number))
    this.forced = names.map((_, variant) => slot(variant, 'forced', 1))
    this.default = slot(0, 'default', 1)
    const ends: number[] = []
    const slots: Slot[] = []
    const add = (end: number, variant: number): void => {
      if (end <= (ends.at(-1) ?? 0)) return
      ends.push(end)
      slots.push(this.assigned[variant] as Slot)
    }
    for (const { from, to, variant } of layOut(weights)) {
      add(from, 0)
      add(to, variant)
    }
    add(space, 0)
    this.#ends = ends
    this.#slots = slots
  }

  /** The slot of a unit, testers aside. */
  of(unit: string): Slot {
    if (this.#namespace !== undefined && !this.#namespace.includes(this.#name, unit)) return this.default
    const lanes = this.#lanes
    lanes.read(unit)
    if (lanes.exposure >>> 0 >= this.#exposed) return this.default
    const point = lanes.arm >>> 0
    const ends = this.#ends
    let at = 0
    while (point >= (ends[at] as number)) at += 1
    return this.#slots[at] as Slot
  }
}
