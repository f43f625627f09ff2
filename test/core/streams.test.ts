import { describe, expect, it } from 'vitest'
import { discardStream, isStream, untilEnd } from '../../src/core/streams.js'

const counting = async function* (count: number, log: string[] = []): AsyncGenerator<number> {
  try {
    for (let index = 0; index < count; index += 1) yield index
  } finally {
    log.push('source ended')
  }
}

describe('untilEnd', () => {
  it('passes everything on and calls back once, at the end', async () => {
    let ends = 0
    const stream = untilEnd(counting(3), () => void (ends += 1))
    const seen: number[] = []
    for await (const value of stream) {
      seen.push(value)
      expect(ends).toBe(0)
    }
    for await (const _ of stream) { /* It is over. */ }
    expect([seen, ends]).toEqual([[0, 1, 2], 1])
  })

  it('calls back when the reader leaves, and ends the source', async () => {
    const log: string[] = []
    for await (const _ of untilEnd(counting(3, log), () => log.push('ended'))) break
    expect(log).toEqual(['source ended', 'ended'])
  })

  it('calls back when the source fails, and the reader gets the error', async () => {
    let ends = 0
    const broken = async function* (): AsyncGenerator<number> {
      yield 1
      throw new Error('broken')
    }
    const read = async (): Promise<void> => {
      for await (const _ of untilEnd(broken(), () => void (ends += 1))) { /* on */ }
    }
    await expect(read()).rejects.toThrow('broken')
    expect(ends).toBe(1)
  })

  it('serves iterators that have neither return nor throw', async () => {
    let ends = 0
    const bare: AsyncIterable<number> = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 1 }) }) }
    for await (const _ of untilEnd(bare, () => void (ends += 1))) break
    const throwing = untilEnd(bare, () => void (ends += 1))[Symbol.asyncIterator]()
    await expect(throwing.throw?.(new Error('in'))).rejects.toThrow('in')
    expect(ends).toBe(2)
  })

  it('keeps the other members of the stream', async () => {
    class Answer {
      readonly #text = 'meta'
      meta(): string {
        return this.#text
      }
      async *[Symbol.asyncIterator](): AsyncGenerator<number> {
        yield 1
      }
    }
    const stream = untilEnd(new Answer(), () => {})
    expect([stream.meta(), stream instanceof Answer]).toEqual(['meta', true])
  })

  it('a generator that is driven by hand ends it too', async () => {
    let ends = 0
    const stream = untilEnd(counting(1), () => void (ends += 1)) as AsyncGenerator<number>
    await stream.next()
    await stream.next()
    expect(ends).toBe(1)
    const left = untilEnd(counting(3), () => void (ends += 1)) as AsyncGenerator<number>
    await left.next()
    await left.return(undefined)
    expect(ends).toBe(2)
  })
})

describe('discardStream', () => {
  it('ends what is held for a stream that nobody reads, whatever its end throws', async () => {
    let ends = 0
    discardStream(untilEnd(counting(3), () => void (ends += 1)))
    discardStream(untilEnd({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: 1 }), return: async () => { throw new Error('end') } }) }, () => void (ends += 1)))
    await new Promise((resolve) => setImmediate(resolve))
    expect(ends).toBe(2)
  })
})

describe('isStream', () => {
  it('is what can be iterated asynchronously', () => {
    expect([counting(1), new ReadableStream()].map(isStream)).toEqual([true, true])
    expect([null, undefined, 'text', [1], { a: 1 }, () => counting(1), { [Symbol.asyncIterator]: 1 }].map(isStream)).toEqual(new Array(7).fill(false))
  })
})

describe('untilEnd, told what ended it', () => {
  it('says that the source failed, and with what', async () => {
    const told: unknown[] = []
    const broken = async function* (): AsyncGenerator<number> {
      yield 1
      throw new Error('broken')
    }
    const read = async (): Promise<void> => {
      for await (const _ of untilEnd(broken(), (...how) => told.push(how))) { /* on */ }
    }
    await expect(read()).rejects.toThrow('broken')
    for await (const _ of untilEnd(counting(1), (...how) => told.push(how))) { /* on */ }
    expect(told).toEqual([[true, new Error('broken')], [false, undefined]])
  })

  it('calls back at the first part that is enough, once', async () => {
    const seen: (number | 'enough')[] = []
    for await (const part of untilEnd(counting(4), () => seen.push('enough'), () => seen.length === 2)) seen.push(part)
    expect(seen).toEqual([0, 1, 'enough', 2, 3])
  })
})
