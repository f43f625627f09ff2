/** Small parts that all sections are made of. */
import { h, svg, type Child } from './dom.js'

/** How something stands: told by shape and word, and not by colour alone. */
export const mark = (level: 'ok' | 'watch' | 'bad' | 'none', word: string): HTMLElement =>
  h('span', { class: `mark ${level}` }, h('span', { 'aria-hidden': true }, { ok: '●', watch: '▲', bad: '■', none: '○' }[level]), ` ${word}`)

export interface Column {
  readonly name: string
  readonly isNumber?: boolean
}

/** A table that scrolls by itself where it is wider than the page. */
export const table = (key: string, caption: string, columns: readonly Column[], rows: readonly (readonly Child[])[], none: string): HTMLElement =>
  rows.length === 0
    ? h('p', { class: 'none', 'data-key': key }, none)
    : h(
        'div',
        { class: 'scroll', 'data-key': key, tabindex: 0, role: 'region', 'aria-label': caption },
        h(
          'table',
          {},
          h('caption', {}, caption),
          h('thead', {}, h('tr', {}, columns.map(({ name, isNumber }) => h('th', { scope: 'col', class: isNumber === true ? 'number' : undefined }, name)))),
          h('tbody', {}, rows.map((row) => h('tr', {}, row.map((cell, at) => h('td', { class: columns[at]?.isNumber === true ? 'number' : undefined }, cell))))),
        ),
      )

/** Something that opens a prediction. */
export const opener = (id: string, shown: Child): HTMLElement => h('button', { type: 'button', class: 'id', 'data-open': id, title: 'Show this prediction' }, shown)

export const figure = (name: string, value: Child): HTMLElement => h('div', { class: 'figure' }, h('dt', {}, name), h('dd', {}, value))

/** A bar of a share, for who looks; its number stands beside it. */
export const bar = (share: number): SVGElement =>
  svg('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': true }, svg('rect', { class: 'all', width: 100, height: 10 }), svg('rect', { class: 'part', width: 100 * Math.min(1, Math.max(0, Number.isNaN(share) ? 0 : share)), height: 10 }))
