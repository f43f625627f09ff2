/** Elements, and how what is on the page becomes what should be there without losing focus, selection or what was opened. */

export type Child = Node | string | number | undefined | false

/** An element. Texts become text nodes: nothing is ever read as HTML. */
export const h = (tag: string, attributes: Readonly<Record<string, string | number | boolean | undefined>> = {}, ...children: readonly (Child | readonly Child[])[]): HTMLElement => {
  const element = document.createElement(tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

/** The same in SVG. */
export const svg = (tag: string, attributes: Readonly<Record<string, string | number | boolean | undefined>> = {}, ...children: readonly (Child | readonly Child[])[]): SVGElement => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

const setAttributes = (element: Element, attributes: Readonly<Record<string, string | number | boolean | undefined>>): void => {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value))
}

const append = (element: Element, children: readonly (Child | readonly Child[])[]): void => {
  for (const child of children.flat() as readonly Child[]) if (child !== undefined && child !== false) element.append(child instanceof Node ? child : String(child))
}

const keyOf = (node: Node): string | null => (node instanceof Element ? node.getAttribute('data-key') : null)

/** Whether one can become the other. */
const fits = (from: Node, to: Node): boolean => from.nodeName === to.nodeName && keyOf(from) === keyOf(to)

/** Makes `from` like `to`. What is marked `data-keep` looks after itself, and readers open and close `details` themselves. */
export const become = (from: Element, to: Element): void => {
  if (from.hasAttribute('data-keep')) return
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && !(name === 'open' && from.nodeName === 'DETAILS')) from.removeAttribute(name)
  for (const { name, value } of to.attributes) if (from.getAttribute(name) !== value && !(name === 'open' && from.nodeName === 'DETAILS')) from.setAttribute(name, value)
  let place = from.firstChild
  for (const wanted of [...to.childNodes]) {
    let found = place
    while (found !== null && !fits(found, wanted)) found = found.nextSibling
    if (found === null) {
      from.insertBefore(wanted, place)
      continue
    }
    if (found === place) place = place?.nextSibling ?? null
    else from.insertBefore(found, place)
    if (found instanceof Element) become(found, wanted as Element)
    else if (found.nodeValue !== wanted.nodeValue) found.nodeValue = wanted.nodeValue
  }
  while (place !== null) {
    const next: ChildNode | null = place.nextSibling
    place.remove()
    place = next
  }
}
