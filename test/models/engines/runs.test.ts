import { expect, it } from 'vitest'
import { Runs } from '../../../src/models/engines/_runs.js'

it('Runs ends after the last run, frees once, and lets nothing start after that', async () => {
  const runs = new Runs('the model')
  const order: string[] = []
  let release = (): void => undefined
  const slow = runs.during(async () => {
    await new Promise<void>((resolve) => (release = resolve))
    order.push('slow')
  })
  const failing = runs.during(() => Promise.reject(new Error('bad'))).catch(() => order.push('failing'))
  const ends = [1, 2].map(() => runs.end(() => void order.push('freed')))
  await expect(runs.during(async () => 1)).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_CLOSED', message: expect.stringContaining('the model') as string })
  await failing
  release()
  await Promise.all([slow, ...ends])
  expect(order).toEqual(['failing', 'slow', 'freed'])
})

it('Runs ends at once when nothing runs, and passes on what freeing throws', async () => {
  const runs = new Runs('the model')
  expect(await runs.during(async () => 7)).toBe(7)
  await expect(runs.end(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
})
