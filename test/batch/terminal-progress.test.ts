import { terminalProgress, type ScoringProgress } from 'outrigger/batch'
import { describe, expect, it } from 'vitest'

const progress = (over: Partial<ScoringProgress> = {}): ScoringProgress => ({ rows: 1_234_567, failed: 0, rowsPerSecond: 4200.4, etaMs: 75_000, bytes: 1, fraction: 0.5, done: false, ...over })
const shown = (over: Partial<ScoringProgress>, columns: number | undefined, isTTY = true): string => {
  let text = ''
  terminalProgress({ isTTY, ...(columns === undefined ? {} : { columns }), write: (piece) => (text += piece) })(progress(over))
  return text
}

describe('terminalProgress', () => {
  it('draws one line over the one before', () => {
    expect(shown({}, 80)).toBe('\r[###############..............]  50 %  1 234 567 rows  4 200/s, 1 min 15 s left\u001b[K')
    expect(shown({ failed: 1000, done: true, fraction: 1 }, 100)).toBe(`\r[${'#'.repeat(40)}] 100 %  1 234 567 rows, 1 000 failed  4 200/s\u001b[K\n`)
  })

  it('has no bar while nobody knows the end, nor on a narrow terminal, and never breaks the line', () => {
    expect(shown({ fraction: undefined, etaMs: undefined }, 80)).toBe('\r1 234 567 rows  4 200/s\u001b[K')
    for (let columns = 1; columns < 120; columns += 1) expect(shown({}, columns).replace('\r', '').replace('\u001b[K', '').length).toBeLessThan(columns)
  })

  it.each([[500, '1 s'], [61_000, '1 min 1 s'], [7_380_000, '2 h 3 min']])('says %i ms as %s', (etaMs, words) => {
    expect(shown({ etaMs }, 120)).toContain(`, ${words} left`)
  })

  it('writes nothing into what is no terminal', () => {
    expect(shown({ done: true }, 80, false)).toBe('')
  })

  it('refuses what is no stream', () => {
    expect(() => terminalProgress({} as never)).toThrowError(expect.objectContaining({ code: 'ERR_OUTRIGGER_INVALID_OPTION' }) as never)
  })
})
