/**
 * Makes DOM elements. Text is always set as text, never parsed as HTML.
 */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] DOM properties; `class` is the class name, `data-…` and `aria-…` are attributes
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'class') made.className = value;
    else if (/^(data|aria)-|^(for|role|list)$/.test(name)) made.setAttribute(name, value);
    else /** @type {any} */ (made)[name] = value;
  }
  made.append(...children);
  return made;
}

/**
 * A labelled input.
 * @param {string} label
 * @param {Record<string, any>} properties of the input
 * @returns {{field: HTMLLabelElement, input: HTMLInputElement}}
 */
export function labelled(label, properties) {
  const input = element('input', properties);
  return { field: element('label', { class: 'field' }, element('span', {}, label), input), input };
}

/**
 * Makes an SVG element. All properties are attributes.
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}
