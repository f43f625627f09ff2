import { readFileSync } from 'node:fs'
import type { StreamDetector, StreamSignal } from '../../../src/drift/streaming/stream-detector.js'

interface Stream {
  readonly kind: 'bits' | 'numbers'
  readonly seed: number
  readonly parts: readonly (readonly [length: number, level: number, spread: number])[]
}

interface Case {
  readonly detector: string
  readonly options: Record<string, number | string | boolean>
  readonly stream: string
  /** Indices. */
  readonly drifts: number[]
  /** First and last index of each run of warnings. */
  readonly warnings: number[]
}

/** What river found, made by test/golden/streams/make.py. */
export const golden = JSON.parse(readFileSync(new URL('../../golden/streams/golden.json', import.meta.url), 'utf8')) as { readonly river: string; readonly streams: Record<string, Stream>; readonly cases: Case[] }

/** The stream that make.py makes of the same formula. */
export const streamOf = ({ kind, seed, parts }: Stream): number[] => {
  let state = seed
  const next = (): number => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  return parts.flatMap(([length, level, spread]) => Array.from({ length }, () => (kind === 'bits' ? Number(next() < level) : level + spread * (next() + next() + next() + next() - 2))))
}

/** What a detector finds, in the form of the goldens. */
export const indicesOf = (signals: readonly StreamSignal[]): Pick<Case, 'drifts' | 'warnings'> => {
  const drifts: number[] = []
  const warnings: number[] = []
  signals.forEach((signal, index) => {
    if (signal === 'drift') drifts.push(index)
    else if (signal === 'warning' && warnings.at(-1) === index - 1) warnings[warnings.length - 1] = index
    else if (signal === 'warning') warnings.push(index, index)
  })
  return { drifts, warnings }
}

/** The answers to each value. */
export const signalsOf = (detector: StreamDetector, values: readonly number[]): StreamSignal[] => values.map((value) => detector.update(value))
