/// <reference lib="dom" />
/** Elements in as few words as they need. Text is always text: nothing that others wrote becomes markup. */

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>
type Children = readonly (Node | string)[]

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Children
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), attributes, children)
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Children
): SVGElementTagNameMap[K] {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)
}

function filled<E extends Element>(made: E, attributes: Attributes, children: Children): E {
  setAttributes(made, attributes)
  made.append(...children)
  return made
}

export function setAttributes(of: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) of.removeAttribute(name)
    else of.setAttribute(name, value === true ? '' : String(value))
  }
}

/** An element of the page's own markup. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  return document.getElementById(id) as E
}

/** Writes only what is another: what a screen reader reads, and what is selected, stays as it is. */
export function setText(of: Element, text: string): void {
  if (of.textContent !== text) of.textContent = text
}

/** A canvas as large as it is shown, in the pixels of the screen. Undefined while it is not shown. */
export function fitted(
  canvas: HTMLCanvasElement,
): { context: CanvasRenderingContext2D; width: number; height: number } | undefined {
  const { clientWidth: width, clientHeight: height } = canvas
  const ratio = window.devicePixelRatio
  if (width === 0 || height === 0) return undefined
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)]
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h })
  const context = canvas.getContext('2d')!
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  return { context, width, height }
}
