// What every part of the page uses: templates, and small pieces of markup.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";

export { useEffect, useLayoutEffect, useRef, useState };

/** Markup: html`<p>${text}</p>`. Text is escaped. */
export const html = htm.bind(h);

/**
 * The width of an element in pixels, kept up to date. 0 until it is known.
 * @returns {[{current: HTMLElement | null}, number]}
 */
export function useWidth() {
  const ref = useRef(/** @type {HTMLElement | null} */ (null));
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (ref.current);
    setWidth(Math.floor(element.clientWidth));
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/**
 * A word that marks what needs a look. The word and the sign say it, colour only helps.
 * @param {{level: "bad" | "note" | "good", children?: any}} props
 */
export function Badge({ level, children }) {
  const sign = { bad: "▲", note: "●", good: "✓" }[level];
  return html`<span class="badge ${level}"><span aria-hidden="true">${sign} </span>${children}</span>`;
}

/**
 * A share of 1 as a bar behind its text.
 * @param {{value: number | null | undefined, text: string}} props
 */
export function Share({ value, text }) {
  const width = Math.max(0, Math.min(1, value ?? 0)) * 100;
  return html`<span class="share"><span class="share-bar" style=${{ width: `${width}%` }}></span><span>${text}</span></span>`;
}

/**
 * A section with a heading.
 * @param {{title: string, children?: any}} props
 */
export function Panel({ title, children }) {
  return html`<section class="panel"><h2>${title}</h2>${children}</section>`;
}

/**
 * A table that scrolls by itself where it is wider than the screen, with the keyboard too.
 * @param {{label: string, children?: any}} props
 */
export function Scroll({ label, children }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>${children}</div>`;
}
