import { expect, test } from 'vitest'
import { PageControl, type PageRules } from '../../src/drift/_page-control.js'

const verdicts = { d: 'drifted', c: 'ok', f: 'too-few-rows' } as const
const shown = { 'drifted': 'D', 'ok': '-', 'too-few-rows': '.' } as const

/** One window a second: d drifted, c did not, f had too few rows, r is a reset, x an export that another one goes on from. */
const walk = (rules: Partial<PageRules>, windows: string): string => {
  const whole = { confirm: 1, calm: 1, coolDownMs: 0, ...rules }
  let control = new PageControl(whole)
  let now = 0
  let states = ''
  for (const what of windows) {
    if (what === 'r') control.reset()
    else if (what === 'x') {
      const saved = JSON.parse(JSON.stringify(control.export(now))) as ReturnType<PageControl['export']>
      control = new PageControl(whole)
      // Another process, with another clock.
      now += 1e6
      control.restore(saved, now)
    } else states += shown[control.next(verdicts[what as keyof typeof verdicts], (now += 1000))]
  }
  return states
}

test.each<[string, Partial<PageRules>, string, string]>([
  ['raises and clears at once by default', {}, 'fcdcdd', '.-D-DD'],
  ['confirms by windows in a row', { confirm: 2 }, 'dcdcddc', '-----D-'],
  ['is calm after windows in a row', { calm: 2 }, 'dcdcdcc', 'DDDDDD-'],
  ['keeps what is raised through too few rows, and counts them for nothing', { confirm: 2, calm: 2 }, 'dfdcfc', '-.DDD-'],
  ['cools down', { coolDownMs: 4000 }, 'dcdddd', 'D---DD'],
  ['forgets by reset, but not when it was raised', { confirm: 2, coolDownMs: 5000 }, 'ddrddddd', '-D----D'],
  ['goes on from an export', { confirm: 2, calm: 2, coolDownMs: 5000 }, 'dxdcxcdxddd', '-DD---DD'],
])('PageControl %s', (_, rules, windows, states) => {
  expect(walk(rules, windows)).toBe(states)
})
