import { describe, expect, test } from 'vitest'
import { families } from './cases.js'
import { ourKit } from './kit.js'

describe('the bug zoo', () => {
  for (const { title, cases } of families) {
    describe(title, () => {
      for (const one of cases) {
        test(`outrigger passes ${one.id}`, async () => {
          const kit = ourKit()
          try {
            const { verdict, observed } = await one.run('outrigger', kit)
            expect(verdict, observed).toBe('passes')
          } finally {
            kit.close()
          }
        })
      }
    })
  }
})
