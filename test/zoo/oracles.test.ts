import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { bugs } from './_bugs.js'
import { families } from './cases.js'
import { ourKit, urlOf } from './kit.js'

const cases = families.flatMap((family) => family.cases)
const page = readFileSync(new URL('../../docs/zoo.md', import.meta.url), 'utf8')

/** What the page says of a case. */
const sectionOf = (id: string): string => page.split('<a id="').find((section) => section.startsWith(`${id}"`)) ?? ''

describe('the oracles of the bug zoo', () => {
  for (const [id, make] of Object.entries(bugs)) {
    test(`${id} fails for a subject that has the bug`, async () => {
      const kit = ourKit()
      try {
        const { verdict, observed } = (await cases.find((one) => one.id === id)?.observe(make(kit), kit)) ?? { verdict: undefined, observed: `there is no case ${id}` }
        expect(verdict, observed).toBe('fails')
      } finally {
        kit.close()
      }
    })
  }

  test('every case can fail: for a library on the page of results, or for a subject that has the bug', () => {
    expect(cases.map(({ id }) => id).filter((id) => !(id in bugs) && !sectionOf(id).includes('\n- ✗'))).toEqual([])
  })

  test('the page of results holds every case, with a link to each issue', () => {
    expect(cases.filter(({ id, issues }) => issues.some((issue) => !sectionOf(id).includes(urlOf(issue)))).map(({ id }) => id)).toEqual([])
  })

  test('no two cases share an id', () => {
    expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length)
  })
})
