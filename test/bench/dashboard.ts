/** What a dashboard costs a call: `node --import tsx test/bench/dashboard.ts`. Rounds alternate with the same predictor whose records go to an empty observer. */
import { performance } from 'node:perf_hooks'
import { predictor, type Predictor } from 'outrigger'
import { dashboard } from 'outrigger/serve'

const calls = 20_000
const rounds = 21
const make = (): Predictor<number, number> => predictor((x: number) => x, { name: 'm' })
const heard = make()
heard.observe(() => {})
const watched = make()
const board = dashboard([watched], { page: '<p>' })

const perCall = async (predict: Predictor<number, number>): Promise<number> => {
  const begin = performance.now()
  for (let i = 0; i < calls; i += 1) await predict(i)
  return (1000 * (performance.now() - begin)) / calls
}
const differences: number[] = []
for (let round = 0; round < rounds; round += 1) differences.push(-(await perCall(heard)) + (await perCall(watched)))
differences.sort((a, b) => a - b)
console.log(`a record costs the dashboard ${(differences[rounds >> 1] as number).toFixed(2)} µs (median of ${rounds} rounds of ${calls} calls; quartiles ${(differences[rounds >> 2] as number).toFixed(2)}, ${(differences[(3 * rounds) >> 2] as number).toFixed(2)})`)

const looks = Array.from({ length: 51 }, () => {
  const begin = performance.now()
  JSON.stringify(board.data())
  return performance.now() - begin
}).sort((a, b) => a - b)
console.log(`the data of a page take ${(looks[25] as number).toFixed(2)} ms`)
board.close()
