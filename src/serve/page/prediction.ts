/** One prediction, opened by its id. */
import { h, type Child } from './dom.js'
import { clean, ms } from './format.js'

const wanted: readonly (readonly [name: string, title: string])[] = [
  ['at', 'When'], ['outcome', 'How it ended'], ['source', 'Who answered'], ['error', 'Error'], ['identity', 'Model'], ['variants', 'Variants'], ['durations', 'Durations'], ['attempts', 'Attempts'], ['rung', 'Rung'], ['members', 'Members'],
  ['cache', 'Cache'], ['marks', 'What happened on the way'], ['checkpoints', 'What passed on the way'], ['batch', 'Batch'], ['links', 'Shared work'], ['trace', 'Trace'], ['tags', 'Tags'], ['schema', 'Schemas'], ['input', 'Input'], ['output', 'Output'],
]

const isEmpty = (value: unknown): boolean => value === undefined || value === null || (Array.isArray(value) && value.length === 0)

const shown = (name: string, value: unknown): Child => {
  if (name === 'at') return new Date(Number(value)).toISOString()
  if (name === 'identity' || name === 'error') return clean(Object.values(value as Record<string, unknown>).filter((part) => part !== undefined && part !== null).join(' '))
  if (name === 'durations') return Object.entries(value as Record<string, number>).map(([what, took]) => `${what.replace(/Ms$/, '')} ${ms(took)}`).join(', ')
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return clean(value.join(', '))
  if (typeof value !== 'object' || value === null) return clean(value)
  if (name === 'input' || name === 'output' || name === 'tags') {
    return h('table', { class: 'fields' }, h('tbody', {}, Object.entries(value).map(([field, inner]) => h('tr', {}, h('th', { scope: 'row' }, h('bdi', {}, clean(field))), h('td', {}, h('bdi', {}, clean(typeof inner === 'object' ? JSON.stringify(inner) : inner)))))))
  }
  return h('code', {}, clean(JSON.stringify(value)))
}

const dialog = (): HTMLDialogElement => document.getElementById('prediction') as HTMLDialogElement

const fill = (id: string, ...children: readonly Child[]): void =>
  dialog().replaceChildren(
    h('form', { method: 'dialog', class: 'close' }, h('button', { autofocus: true }, 'Close')),
    h('h2', { id: 'prediction-title' }, 'Prediction ', h('code', {}, h('bdi', {}, clean(id)))),
    ...children.filter((child): child is Node => child instanceof Node),
  )

/** Asks for it, and shows it. Escape closes; the focus goes back to what opened it. */
export const openPrediction = async (base: string, id: string): Promise<void> => {
  fill(id, h('p', {}, 'Loading…'))
  dialog().showModal()
  try {
    const answer = await fetch(`${base}prediction?id=${encodeURIComponent(id)}`)
    const record = answer.ok ? ((await answer.json()) as Record<string, unknown>) : undefined
    if (record === undefined) fill(id, h('p', {}, answer.status === 404 ? 'It is not here any more. Captured records may have it.' : `The service answered ${answer.status}.`))
    else fill(id, h('dl', { class: 'record' }, wanted.filter(([name]) => !isEmpty(record[name])).flatMap(([name, title]) => [h('dt', {}, title), h('dd', {}, shown(name, record[name]))])))
  } catch (error) {
    fill(id, h('p', {}, `The service could not be asked: ${clean(error)}`))
  }
}
