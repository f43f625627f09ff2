/** Whether a feature is counted in ordered cells of numbers or by category. */
export type FeatureKind = 'numeric' | 'categorical'

/** What a feature may hold. Anything else (an object, a function, a bigint) is counted as of the wrong type. */
export type FeatureValue = number | string | boolean | null | undefined

/** One sample's features: a record by feature name, or numbers in the order of the profile's features. */
export type FeatureRow = object

/** What a feature is to the model: one of its inputs, a pair of them, its output, or what is known of a row besides. */
export type FeatureRole = 'input' | 'output' | 'label' | 'score' | 'pair'

/** What every feature says of itself. */
interface CommonCells {
  readonly name: string
  readonly role: FeatureRole
}

/** The cells of a numeric feature: `edges.length + 1` of them, cell i being (edges[i − 1], edges[i]]. */
export interface NumericCells extends CommonCells {
  readonly kind: 'numeric'
  /** Increasing. The first cell lies below all that the reference saw, the last above. */
  readonly edges: Float64Array
  /** Cells that hold one value only, up to the rounding of a 32-bit float: cell → value. */
  readonly points: ReadonlyMap<number, number>
  /** The half-octave of |x| that the first of the magnitude cells counts. */
  readonly magnitudeBase: number
  /** About the median: what moments are summed around, so that large offsets cost no digits. */
  readonly centre: number
  /** Moments are summed in units of 2^exponent, some times the median distance from the centre. */
  readonly exponent: number
}

/** The cells of a categorical feature: one for each named category, then one for the others that were seen, then one for the unseen. */
export interface CategoricalCells extends CommonCells {
  readonly kind: 'categorical'
  /** The named categories, the most frequent first. */
  readonly categories: readonly string[]
  /** murmur3 of each category that was seen but is not named, increasing. */
  readonly tail: readonly number[]
  /** Whether `tail` has them all; if not, whatever is not named counts as seen. */
  readonly isTailComplete: boolean
  /** The largest share of a category that is not named. */
  readonly largestTailShare: number
  /** Which types its values had. */
  readonly types: readonly ('string' | 'number' | 'boolean')[]
  /** Of a pair: the two features it is made of. */
  readonly of?: readonly [string, string]
}

/** How the values of one feature are put into cells. */
export type FeatureCells = NumericCells | CategoricalCells

/** What a value is that falls into none of a feature's own cells. */
export type SpecialName = 'missing' | 'nan' | '+infinity' | '-infinity' | 'wrong-type'

/** The cells that follow a feature's own, in this order. */
export const specialCells: readonly SpecialName[] = ['missing', 'nan', '+infinity', '-infinity', 'wrong-type']

/** How many half-octaves of |x| a numeric feature counts beside its cells, to tell a change of unit from a shift. */
export const magnitudeCells = 128

/** How many cells of its own a feature has, without the special ones. */
export const ordinaryCells = (cells: FeatureCells): number => (cells.kind === 'numeric' ? cells.edges.length + 1 : cells.categories.length + 2)
