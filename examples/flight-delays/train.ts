import * as tf from '@tensorflow/tfjs'
import { dayOf } from './calendar.js'
import type { Flights } from './data.js'
import { FEATURE_COUNT } from './features.js'
import { flightNetwork, readyTf, scoreRows } from './network.js'
import { fitNormalisation, normalise, type Normalisation } from './normalisation.js'
import { collectRows, type LabelledRows, type RandomNumbers } from './training-rows.js'

export interface TrainOptions {
  /** Learns from departures in [from, to), as far as they have landed by `to`. */
  readonly from: number
  readonly to: number
  /**
   * One day in so many is not learnt from: these days choose the epoch. Whole days, as flights of a day share its
   * weather; spread over the range, as the last few days may all be calm.
   * @default 6
   */
  readonly validationDayInterval?: number
  /** @default 150_000 */
  readonly maxRows?: number
  /** @default 4 */
  readonly epochs?: number
  readonly random: RandomNumbers
  readonly onEpoch?: (epoch: number, validationLogLoss: number) => void
}

export interface TrainedModel {
  readonly model: tf.LayersModel
  readonly normalisation: Normalisation
  /** What it was trained on, in the units of the features: the reference of the drift profile. */
  readonly training: LabelledRows
  readonly validation: LabelledRows
  /** Of the epoch kept, on the validation rows. */
  readonly validationLogLoss: number
}

const BATCH_ROWS = 512

/** Trains the flight network; the same flights and random numbers give the same weights. The caller disposes of the model. */
export const trainModel = async (flights: Flights, options: TrainOptions): Promise<TrainedModel> => {
  const { from, to, validationDayInterval = 6, maxRows = 150_000, epochs = 4, random, onEpoch } = options
  await readyTf()
  const isHeldOut = (minute: number): boolean => dayOf(minute) % validationDayInterval === 0
  const training = collectRows(flights, { from, to, maxRows, random, where: (minute) => !isHeldOut(minute) })
  const validation = collectRows(flights, { from, to, maxRows: maxRows / 4, random, where: isHeldOut })
  const normalisation = fitNormalisation(training.features)
  const normalised = normalise(training.features, normalisation)

  const model = flightNetwork(random)
  const optimizer = tf.train.adam(0.003)
  model.compile({ optimizer, loss: 'binaryCrossentropy' })
  let best = Infinity
  let bestWeights: (Float32Array | Int32Array | Uint8Array)[] = []
  const order = Int32Array.from({ length: training.count }, (_, row) => row)
  const batch = new Float32Array(BATCH_ROWS * FEATURE_COUNT)
  const labels = new Float32Array(BATCH_ROWS)
  for (let epoch = 1; epoch <= epochs; epoch += 1) {
    // tfjs shuffles by Math.random, so it is done here. What is left over at the end has its turn in the next epoch.
    shuffle(order, random)
    for (let start = 0; start + BATCH_ROWS <= order.length; start += BATCH_ROWS) {
      for (let index = 0; index < BATCH_ROWS; index += 1) {
        const row = order[start + index]!
        batch.set(normalised.subarray(row * FEATURE_COUNT, (row + 1) * FEATURE_COUNT), index * FEATURE_COUNT)
        labels[index] = training.labels[row]!
      }
      const x = tf.tensor2d(batch, [BATCH_ROWS, FEATURE_COUNT])
      const y = tf.tensor2d(labels, [BATCH_ROWS, 1])
      await model.trainOnBatch(x, y)
      tf.dispose([x, y])
    }
    const loss = meanLogLoss(scoreRows(model, normalisation, validation.features), validation.labels)
    onEpoch?.(epoch, loss)
    if (loss < best) {
      best = loss
      bestWeights = model.getWeights().map((weight) => weight.dataSync().slice())
    }
  }
  tf.tidy(() => model.setWeights(model.getWeights().map((weight, index) => tf.tensor(bestWeights[index]!, weight.shape))))
  optimizer.dispose()
  return { model, normalisation, training, validation, validationLogLoss: best }
}

/** Fisher and Yates's shuffle, in place. */
const shuffle = (order: Int32Array, random: RandomNumbers): void => {
  for (let index = order.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random.next() * (index + 1))
    const held = order[index]!
    order[index] = order[other]!
    order[other] = held
  }
}

const meanLogLoss = (scores: Float32Array, labels: Uint8Array): number => {
  let loss = 0
  for (let row = 0; row < labels.length; row += 1) {
    const chance = Math.min(1 - 1e-7, Math.max(1e-7, scores[row]!))
    loss -= Math.log(labels[row] === 1 ? chance : 1 - chance)
  }
  return loss / labels.length
}
