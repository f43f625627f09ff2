import { describe, expect, it } from 'vitest'
import { failureMetric } from 'outrigger/experiment'
import { memoryDepot, modelLoader, modelStore, type ModelFiles, type ModelLoader, type ModelStore } from 'outrigger/models'
import { aliasRelease, rollout, type RolloutPlan } from 'outrigger/route'
import { memoryJournal, memoryStateStore, type Journal, type StateStore } from 'outrigger/store'

const load = (files: ModelFiles): ((x: number) => number) => {
  const factor = files.json('factor.json') as number
  return (x) => {
    if (factor === 0) throw new Error('broken')
    return factor * x
  }
}
const plan: RolloutPlan = { steps: [{ weight: 0.5, minUnits: 10 }], evidence: { metrics: [failureMetric()] }, promotion: 'unless-worse', coolDownMs: 0 }

interface Service {
  readonly champion: ModelLoader<number, number>
  readonly challenger: ModelLoader<number, number>
  readonly release: Awaited<ReturnType<typeof rollout<number, number>>>
}

const service = async (store: ModelStore, candidate: number, journal: Journal, more: { readonly states?: StateStore; readonly process?: string } = {}): Promise<Service> => {
  const champion = modelLoader<number, number>({ store, name: 'scale', follow: 'champion', keepWarm: 1, load })
  const challenger = modelLoader<number, number>({ store, name: 'scale', follow: candidate, load })
  await Promise.all([champion.whenReady(), challenger.whenReady()])
  const release = await rollout<number, number>({ name: 'scale', control: champion, candidate: challenger, plan, journal, everyMs: 0, target: aliasRelease({ store, model: 'scale', loaders: [champion as never] }), ...more })
  return { champion, challenger, release }
}
const close = async ({ release, champion, challenger }: Service): Promise<void> => {
  await release.close()
  await champion.close()
  await challenger.close()
}
const published = async (...factors: number[]): Promise<ModelStore> => {
  const store = modelStore({ depot: memoryDepot(), by: 'test' })
  for (const factor of factors) await store.publish({ name: 'scale', engine: 'function', files: { 'factor.json': String(factor) } })
  await store.setAlias('scale', 'champion', 1, { expect: null })
  return store
}
const serve = async ({ release }: Service, to: number): Promise<void> => {
  for (let i = 1; i <= to; i++) await release(i, { key: `user-${i}` }).catch(() => {})
}

describe('aliasRelease', () => {
  it('promotion moves the alias, with its reason in the audit, and the control follows', async () => {
    const store = await published(2, 3)
    const parts = await service(store, 2, memoryJournal())
    await parts.release.start({ by: 'ann' })
    await serve(parts, 100)
    expect((await parts.release.tick()).stage).toBe('promoted')
    expect((await store.aliases('scale'))[0]).toMatchObject({ alias: 'champion', version: 2, previous: 1 })
    await parts.champion.refresh()
    expect(await parts.champion(10)).toBe(30)
    expect(await parts.release(10, { key: 'x' })).toBe(30)
    // A second time nothing changes.
    await parts.release.tick()
    expect((await store.aliases('scale'))[0]!.revision).toBe(2)
    await close(parts)
  })

  it('units go home once the control serves what was promoted, so that the next candidate gets nobody before its start', async () => {
    const store = await published(2, 3, 4)
    const journal = memoryJournal()
    const parts = await service(store, 2, journal)
    await parts.release.start({ by: 'ann' })
    await serve(parts, 100)
    await parts.release.tick()
    expect(parts.release.status).toMatchObject({ stage: 'promoted', weight: 1 })
    await parts.champion.refresh()
    expect(await parts.release.tick()).toMatchObject({ stage: 'promoted', weight: 0 })
    await parts.challenger.use(3)
    expect(await parts.release(10, { key: 'x' })).toBe(30)
    // A restart with the next candidate neither.
    const again = await service(store, 3, journal)
    expect(await again.release(10, { key: 'x' })).toBe(30)
    expect(await again.release.start({ by: 'ann' })).toMatchObject({ stage: 'canary', weight: 0.5, candidate: { version: '3' }, control: { version: '2' } })
    await serve(again, 100)
    expect((await again.release.tick()).stage).toBe('promoted')
    expect(await again.release(10, { key: 'x' })).toBe(40)
    await close(parts)
    await close(again)
  })

  it('a rollback quarantines the digest in every process, and tags the version', async () => {
    const store = await published(2, 0)
    const shared = { journal: memoryJournal(), states: memoryStateStore() }
    const a = await service(store, 2, shared.journal, { states: shared.states, process: 'a' })
    const b = await service(store, 2, shared.journal, { states: shared.states, process: 'b' })
    await a.release.start({ by: 'ann' })
    await serve(a, 100)
    expect((await a.release.tick()).stage).toBe('rolled-back')
    await b.release.tick()
    for (const { champion } of [a, b]) expect(champion.quarantined).toMatchObject([{ name: 'scale', version: 2, stage: 'traffic', reason: expect.stringContaining('failures') as string }])
    expect((await store.resolve('scale@2')).tags).toMatchObject({ quarantined: expect.stringContaining('failures') as string })
    expect((await store.aliases('scale'))[0]).toMatchObject({ version: 1, revision: 1 })
    // Somebody moves the alias to it all the same: it does not go live.
    await store.setAlias('scale', 'champion', 2, { expect: 1 })
    await expect(b.champion.refresh()).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_MODEL_REFUSED', stage: 'traffic' })
    expect(await b.champion(10)).toBe(20)
    await close(a)
    await close(b)
  })

  it('a rollback by hand takes the alias back where it had got to the candidate', async () => {
    const store = await published(2, 3)
    const parts = await service(store, 2, memoryJournal())
    await parts.release.start({ by: 'ann' })
    await store.setAlias('scale', 'champion', 2, { expect: 1 })
    await parts.release.abort({ by: 'bo', reason: 'too early' })
    expect((await store.aliases('scale'))[0]).toMatchObject({ version: 1 })
    expect(parts.champion.quarantined).toEqual([])
    await close(parts)
  })

  it('somebody who moved the alias elsewhere is not overruled', async () => {
    const store = await published(2, 3, 4)
    const parts = await service(store, 2, memoryJournal())
    await parts.release.start({ by: 'ann' })
    await store.setAlias('scale', 'champion', 3, { expect: 1 })
    await expect(parts.release.promote({ by: 'ann', reason: 'now' })).rejects.toMatchObject({ code: 'ERR_OUTRIGGER_ALIAS_CONFLICT' })
    expect((await store.aliases('scale'))[0]).toMatchObject({ version: 3 })
    expect(parts.release.status.end?.isApplied).toBe(false)
    await close(parts)
  })

  it('a control that was swapped meanwhile stops the rollout', async () => {
    const store = await published(2, 3, 4)
    const parts = await service(store, 2, memoryJournal())
    await parts.release.start({ by: 'ann' })
    await serve(parts, 50)
    await parts.champion.use(3)
    expect((await parts.release.tick()).waits).toEqual(['the control that it started with (1): current value is 3'])
    await close(parts)
  })
})
