/**
 * Reads server-sent events from text chunks. Pure: no network, no DOM.
 */

/**
 * @typedef {{event: string, data: string}} ServerEvent
 */

/**
 * Makes a reader that is fed text as it arrives and gives back the events that are complete.
 * @returns {(chunk: string) => ServerEvent[]}
 */
export function eventReader() {
  let pending = '';
  return (chunk) => {
    pending += chunk;
    const blocks = pending.split(/\r?\n\r?\n/);
    pending = blocks.pop() ?? '';
    return blocks.map(parseBlock).filter((event) => event.data !== '');
  };
}

/**
 * @param {string} block
 * @returns {ServerEvent}
 */
function parseBlock(block) {
  let event = 'message';
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    if (field === 'data') data.push(value);
  }
  return { event, data: data.join('\n') };
}
