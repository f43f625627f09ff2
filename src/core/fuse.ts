/**
 * Fusing: layers that only look at a call before and after it run in one asynchronous function, however many they are.
 *
 * Each `await` costs about 60 ns. A layer that says what it does as a {@link Guard} is merged with the guards it wraps;
 * what happens is the same as if each stood for itself, and a property test says so.
 */
import type { Call } from './call.js'
import { toError } from './model.js'

type One<I, O> = (input: I, call: Call) => Promise<O>

/** A layer in hooks. All of them are synchronous but `recover` and `wait`. */
export interface Guard<I, O> {
  /** Admits the call and gives a permit; throws to reject it; gives {@link mustWait} when it has to wait first. */
  enter?(call: Call): number
  /** The answer passes outwards. Gives what goes on, in most cases the same. */
  pass?(permit: number, output: O, call: Call): O
  /** A failure passes outwards. */
  fail?(permit: number, error: unknown, call: Call): void
  /** Answers in the place of a failure, or gives `undefined`. `again` asks what is inside once more. */
  recover?(error: unknown, input: I, call: Call, again: One<I, O>): Promise<O> | undefined
  /** The long way of a call that has to wait before it may enter: waits, and gives the permit. */
  wait?(call: Call): Promise<number>
}

/** Given by `enter` when the call has to wait. */
export const mustWait = -2

type Permits = number[] | undefined

const permitOf = (permits: Permits, index: number): number => (permits === undefined ? 0 : (permits[index] as number))

/** Guards around a core, innermost first, as one function. */
export const fuse = <I, O>(guards: readonly Guard<I, O>[], core: One<I, O>): One<I, O> => {
  const run = async (count: number, input: I, call: Call): Promise<O> => {
    // Most permits are 0; the array is made for the first that is not.
    let permits: Permits
    // The guards from `entered` to `count` have admitted the call.
    let entered = count
    let output: O
    try {
      while (entered > 0) {
        const guard = guards[entered - 1] as Guard<I, O>
        if (guard.enter !== undefined) {
          let permit = guard.enter(call)
          if (permit === mustWait) permit = await guard.wait!(call)
          if (permit !== 0) (permits ??= new Array<number>(count).fill(0))[entered - 1] = permit
        }
        entered -= 1
      }
      output = await core(input, call)
    } catch (thrown) {
      return await unwind(entered, count, permits, toError(thrown), input, call)
    }
    return passOn(0, count, permits, output, call)
  }

  const passOn = (from: number, count: number, permits: Permits, answer: O, call: Call): O => {
    let output = answer
    for (let index = from; index < count; index += 1) {
      const guard = guards[index] as Guard<I, O>
      if (guard.pass !== undefined) output = guard.pass(permitOf(permits, index), output, call)
    }
    return output
  }

  const unwind = async (from: number, count: number, permits: Permits, thrown: unknown, input: I, call: Call): Promise<O> => {
    let error = thrown
    for (let index = from; index < count; index += 1) {
      const guard = guards[index] as Guard<I, O>
      let output: O
      // Whatever a hook throws passes on outwards, so that every guard that has admitted the call hears of its end.
      try {
        guard.fail?.(permitOf(permits, index), error, call)
        const rescue = guard.recover?.(error, input, call, (again, sameCall) => run(index, again, sameCall))
        if (rescue === undefined) continue
        output = await rescue
      } catch (next) {
        error = toError(next)
        continue
      }
      return passOn(index + 1, count, permits, output, call)
    }
    throw error
  }

  const { length } = guards
  return (input, call) => run(length, input, call)
}
