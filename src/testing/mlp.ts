/** A multilayer perceptron in plain numbers: weights for a test model, and what the model must answer. */
import { InvalidOptionError } from '../core/errors.js'
import type { Random } from '../core/random.js'

/** One layer: `y = x W + b`. */
export interface MlpLayer {
  readonly inputs: number
  readonly outputs: number
  /** Row-major, `inputs` rows of `outputs` numbers. */
  readonly weights: Float32Array
  readonly bias: Float32Array
}

/**
 * Layers with random weights, uniform in ±1/√inputs.
 *
 * @param sizes - those of the input, of the hidden layers, and of the output
 * @throws `ERR_OUTRIGGER_INVALID_OPTION` if there are fewer than two sizes
 * @example
 * ```ts
 * import { mlpLayers, mlpPredict, seededRandom } from 'outrigger/testing'
 * const layers = mlpLayers([4, 8, 3], seededRandom(1))
 * const probabilities = mlpPredict(layers, [1, 2, 3, 4])
 * assert.equal(probabilities.length, 3)
 * ```
 */
export const mlpLayers = (sizes: readonly number[], random: Random): MlpLayer[] => {
  if (sizes.length < 2) throw new InvalidOptionError(`Cannot create an MLP as \`sizes\` must be at least an input's and an output's: current value is [${sizes.join(', ')}]`)
  return sizes.slice(1).map((outputs, index) => {
    const inputs = sizes[index] as number
    const draw = (): number => (random.next() * 2 - 1) / Math.sqrt(inputs)
    return { inputs, outputs, weights: Float32Array.from({ length: inputs * outputs }, draw), bias: Float32Array.from({ length: outputs }, draw) }
  })
}

const affine = ({ inputs, outputs, weights, bias }: MlpLayer, x: ArrayLike<number>): Float64Array => {
  const y = Float64Array.from(bias)
  for (let row = 0; row < inputs; row += 1) {
    const value = x[row] as number
    for (let column = 0; column < outputs; column += 1) y[column] = (y[column] as number) + value * (weights[row * outputs + column] as number)
  }
  return y
}

const softmax = (x: Float64Array): number[] => {
  const largest = Math.max(...x)
  const powers = Array.from(x, (value) => Math.exp(value - largest))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}

/** What an MLP answers for a row: ReLU between its layers, softmax at the end, in doubles. The reference for {@link onnxMlp}, which agrees to 1e-6. */
export const mlpPredict = (layers: readonly MlpLayer[], row: ArrayLike<number>): number[] => {
  let x: ArrayLike<number> = row
  for (const [index, layer] of layers.entries()) {
    const y = affine(layer, x)
    x = index === layers.length - 1 ? y : y.map((value) => Math.max(0, value))
  }
  return softmax(x as Float64Array)
}
