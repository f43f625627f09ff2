/**
 * Fusing: layers that only look at a call before and after it run in one asynchronous function, however many they are.
 *
 * Each `await` costs about 60 ns. A layer that says what it does as a {@link Guard} is merged with the guards it wraps;
 * what happens is the same as if each stood for itself, and a property test says so.
 */
import type { Call } from './call.js'
import { toError } from './model.js'

type One<I, O> = (input: I, call: Call) => Promise<O>

/** A layer in hooks, which are called without `this`. All of them are synchronous but `recover` and `wait`. */
export interface Guard<I, O> {
  /** Admits the call and gives a permit; gives {@link refused} or throws to reject it, {@link mustWait} when it has to wait first. */
  enter?(call: Call, input: I): number
  /** The error of a call that was {@link refused}: made without throwing, which costs more than the rest of the way. */
  refusal?(call: Call, input: I): unknown
  /** The answer passes outwards. Gives what goes on, in most cases the same; throws to make a failure of it. */
  pass?(permit: number, output: O, call: Call, input: I): O
  /** A failure passes outwards. */
  fail?(permit: number, error: unknown, call: Call): void
  /** Answers in the place of a failure, or gives `undefined`. `again` asks what is inside once more. */
  recover?(error: unknown, input: I, call: Call, again: One<I, O>): Promise<O> | undefined
  /** The long way of a call that has to wait before it may enter: waits, and gives the permit. */
  wait?(call: Call, input: I): Promise<number>
}

/** Given by `enter` when the call is rejected; `refusal` then says why. */
export const refused = -1

/** Given by `enter` when the call has to wait. */
export const mustWait = -2

type Permits = number[] | undefined

const permitOf = (permits: Permits, index: number): number => (permits === undefined ? 0 : (permits[index] as number))

/** Guards around a core, innermost first, as one function. */
export const fuse = <I, O>(guards: readonly Guard<I, O>[], core: One<I, O>): One<I, O> => {
  // Few guards have both hooks, and no two have the same shape: lists of what is there, in one shape, are quicker to go through.
  const doors = guards.flatMap(({ enter }, at) => (enter === undefined ? [] : [{ at, enter }])).reverse()
  const exits = guards.flatMap(({ pass }, at) => (pass === undefined ? [] : [{ at, pass }]))

  /** Asks the guards below `count`, from the outermost inwards; what can be said without waiting is said without waiting. */
  const enter = (count: number, from: number, given: Permits, input: I, call: Call): Promise<O> => {
    // Most permits are 0; the array is made for the first that is not.
    let permits = given
    // The guards from `entered` to `count` have admitted the call.
    let entered = from
    try {
      for (let index = 0; index < doors.length; index += 1) {
        const { at, enter: ask } = doors[index] as (typeof doors)[number]
        if (at >= from) continue
        entered = at + 1
        const permit = ask(call, input)
        if (permit === 0) continue
        if (permit === refused) return unwind(entered, count, permits, (guards[at] as Guard<I, O>).refusal!(call, input), input, call)
        if (permit === mustWait) return wait(count, entered, permits, input, call)
        ;(permits ??= new Array<number>(count).fill(0))[at] = permit
      }
    } catch (thrown) {
      return unwind(entered, count, permits, toError(thrown), input, call)
    }
    return travel(count, permits, input, call)
  }

  /** The long way of a call that has to wait for a guard. */
  const wait = async (count: number, entered: number, given: Permits, input: I, call: Call): Promise<O> => {
    const permits = given ?? new Array<number>(count).fill(0)
    try {
      permits[entered - 1] = await (guards[entered - 1] as Guard<I, O>).wait!(call, input)
    } catch (thrown) {
      return await unwind(entered, count, permits, toError(thrown), input, call)
    }
    return await enter(count, entered - 1, permits, input, call)
  }

  /** Every guard has admitted the call. */
  const travel = async (count: number, permits: Permits, input: I, call: Call): Promise<O> => {
    let output: O
    try {
      output = await core(input, call)
    } catch (thrown) {
      return await unwind(0, count, permits, toError(thrown), input, call)
    }
    return passOn(0, count, permits, output, input, call)
  }

  const passOn = (from: number, count: number, permits: Permits, answer: O, input: I, call: Call): O | Promise<O> => {
    let output = answer
    for (let index = 0; index < exits.length; index += 1) {
      const { at, pass } = exits[index] as (typeof exits)[number]
      if (at < from || at >= count) continue
      try {
        output = pass(permitOf(permits, at), output, call, input)
      } catch (thrown) {
        return unwind(at + 1, count, permits, toError(thrown), input, call)
      }
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
        if (guard.recover === undefined) continue
        const rescue = guard.recover(error, input, call, (again, sameCall) => enter(index, index, undefined, again, sameCall))
        if (rescue === undefined) continue
        output = await rescue
      } catch (next) {
        error = toError(next)
        continue
      }
      return passOn(index + 1, count, permits, output, input, call)
    }
    throw error
  }

  const { length } = guards
  return (input, call) => enter(length, length, undefined, input, call)
}
