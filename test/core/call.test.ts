import { describe, expect, it } from 'vitest'
import { BatchCall, Call, type AbortListener, type Binding, type VariantChoice } from 'outrigger/core'
import { runtimeOf } from '../../src/core/runtime.js'
import { fakeClock } from 'outrigger/testing'

const runtime = runtimeOf({ clock: fakeClock() })
const open = (options?: object): Call => new Call(runtime, options, 'key', undefined)
const lease = (): Binding & { held: number } => {
  const binding = { owner: {}, identity: { name: 'm', version: '1', digest: undefined }, held: 1, retain: () => void (binding.held += 1), release: () => void (binding.held -= 1) }
  return binding
}

describe('Call', () => {
  it('makes its id once, and a fork has the same', () => {
    const call = open()
    expect(call.id).toBe(call.id)
    expect(call.fork().id).toBe(call.id)
    expect(call.detach().id).not.toBe(call.id)
    expect(call.shadow().id).toBe(call.id)
  })

  it('tells those who listen once, and those who come late at once', () => {
    const call = open()
    const heard: unknown[] = []
    const stop = call.onAbort(() => heard.push('stopped'))
    call.onAbort((reason) => heard.push(reason))
    stop()
    call.abort('a')
    call.abort('b')
    call.onAbort((reason) => heard.push(['late', reason]))
    expect(heard).toEqual(['a', ['late', 'a']])
    expect([call.isAborted, call.abortReason, call.signal.aborted, call.signal.reason]).toEqual([true, 'a', true, 'a'])
  })

  it('tells objects that listen, one or several, each once, and none that has left or that came twice', () => {
    const heard: unknown[] = []
    const listener = (name: string): AbortListener => ({ aborted: (reason) => heard.push([name, reason]) })
    const [a, b, c, late] = [listener('a'), listener('b'), listener('c'), listener('late')]
    const [one, several] = [open(), open()]
    one.listen(a)
    one.listen(a)
    one.unlisten(b)
    one.abort(1)
    expect(heard).toEqual([['a', 1]])
    for (const each of [a, b, c, b]) several.listen(each)
    several.unlisten(a)
    several.abort(2)
    several.listen(late)
    expect(heard.slice(1)).toEqual([['b', 2], ['c', 2], ['late', 2]])
    const gone = open()
    gone.listen(a)
    gone.unlisten(a)
    gone.abort(3)
    expect(heard.length).toBe(4)
  })

  it('an abort reaches its forks, and that of a fork not the call', () => {
    const call = open()
    const [one, two] = [call.fork(), call.fork()]
    const { signal } = one
    two.abort('given up')
    expect([call.isAborted, one.isAborted, two.isAborted]).toEqual([false, false, true])
    call.abort('all')
    expect([one.isAborted, one.abortReason, signal.aborted, signal.reason, two.abortReason]).toEqual([true, 'all', true, 'all', 'given up'])
  })

  it('an ended fork leaves no listener on its call', () => {
    const call = open()
    let heard = 0
    const fork = call.fork()
    fork.onAbort(() => void (heard += 1))
    fork.end()
    call.abort('x')
    expect(heard).toBe(0)
  })

  it('a detached call hears nothing of the first one\'s abort and deadline, and keeps key, binding and whether it may be repeated', () => {
    const call = open({ idempotent: false })
    call.deadline = 5
    const binding = lease()
    call.bindTo(binding)
    const child = call.detach()
    call.abort('x')
    expect([child.isAborted, child.deadline, child.key, child.isIdempotent, child.boundBy(binding.owner)]).toEqual([false, Infinity, 'key', false, binding])
    call.end()
    expect(binding.held).toBe(1)
    child.end()
    expect(binding.held).toBe(0)
    const shadowed = open().shadow()
    expect(shadowed.detach().isShadow).toBe(true)
  })

  it('each fork holds a lease of its own until it ends, and only once', () => {
    const call = open()
    const binding = lease()
    call.bindTo(binding)
    const forks = [call.fork(), call.fork()]
    expect(binding.held).toBe(3)
    for (const one of [...forks, call, call]) one.end()
    expect(binding.held).toBe(0)
  })

  it('a fork is never due later than its call', () => {
    const call = open()
    const fork = call.fork()
    expect(fork.deadline).toBe(Infinity)
    fork.deadline = 50
    call.deadline = 20
    expect(fork.deadline).toBe(20)
    call.deadline = 80
    expect(fork.deadline).toBe(50)
  })

  it('says how long somebody waits, at least 0, and reads no clock when nobody said', async () => {
    const clock = fakeClock()
    const call = new Call(runtimeOf({ clock }), undefined, undefined, undefined)
    expect([call.remainingMs(), new BatchCall(call.runtime, [call]).remainingMs(), clock.reads]).toEqual([Infinity, Infinity, 0])
    call.deadline = 30
    await clock.advance(10)
    const fork = call.fork()
    expect([call.remainingMs(), fork.remainingMs(), new BatchCall(call.runtime, [fork]).remainingMs()]).toEqual([20, 20, 20])
    await clock.advance(50)
    expect(call.remainingMs()).toBe(0)
  })

  it('hands on that it is the last resort', () => {
    const call = open()
    call.isLastResort = true
    const attempt = call.fork().fork()
    expect([attempt.isLastResort, call.detach().isLastResort, call.shadow().isLastResort]).toEqual([true, true, false])
  })

  it('keeps marks only while somebody observes, and those of a fork that is adopted after its own', () => {
    const call = open()
    call.mark('unseen')
    expect(call.notes).toBe(undefined)
    call.startedAt = 0
    call.mark('one')
    const fork = call.fork()
    fork.mark('two')
    call.adopt(fork)
    expect(call.notes?.marks).toEqual(['one', 'two'])
  })

  it('takes over what a fork noted only when it is adopted', () => {
    const call = open()
    call.note().variants = []
    const fork = call.fork()
    fork.attempts = 2
    fork.source = 'fallback'
    fork.note().rung = { index: 1, name: 'rule' }
    expect([call.attempts, call.source, call.notes?.rung]).toEqual([0, 'model', undefined])
    call.adopt(fork)
    expect([call.attempts, call.source, call.notes]).toEqual([2, 'fallback', { variants: [], rung: { index: 1, name: 'rule' } }])
  })

  it('keeps its own variants, links and watchers when it adopts, and lets its parts begin with its variants', () => {
    const chosen = (split: string): VariantChoice => ({ split, variant: 'a', reason: 'assigned', propensity: 1, epoch: 1, since: 0 })
    const watchers = [(): void => {}, (): void => {}]
    for (const part of ['fork', 'detach'] as const) {
      const call = open()
      Object.assign(call.note(), { variants: [chosen('one')], links: ['first'], watchers: [watchers[0]] })
      const child = call[part]()
      child.note().variants?.push(chosen('two'))
      Object.assign(child.note(), { links: ['second'], watchers: [watchers[1]] })
      expect(call.notes?.variants).toEqual([chosen('one')])
      call.adopt(child)
      expect(call.notes).toEqual({ variants: [chosen('one'), chosen('two')], links: ['first', 'second'], watchers })
    }
  })
})

describe('BatchCall', () => {
  it('is due with the last of its rows, and aborted with the last of them', () => {
    const rows = [open(), open()] as const
    rows[0].deadline = 10
    const batch = new BatchCall(runtime, rows)
    expect([batch.size, batch.deadline]).toEqual([2, Infinity])
    rows[1].deadline = 30
    expect(batch.deadline).toBe(30)
    const { signal } = batch
    rows[0].abort('one')
    expect([batch.isAborted, signal.aborted]).toEqual([false, false])
    rows[1].abort('two')
    expect([batch.isAborted, signal.aborted, signal.reason]).toEqual([true, true, 'two'])
    expect(new BatchCall(runtime, rows).signal.aborted).toBe(true)
  })

  it('of no rows is not aborted', () => {
    expect(new BatchCall(runtime, []).isAborted).toBe(false)
  })

  it('picks rows by their place', () => {
    const rows = [open(), open(), open()]
    expect(new BatchCall(runtime, rows).pick([2, 0]).rows).toEqual([rows[2], rows[0]])
  })
})
