/**
 * The files that a person hands over: chosen, or dropped as files and folders.
 */

/**
 * Files that were dropped, those inside folders among them. Entries have to be asked for before the event is over; their files come later.
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
export function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.length === 0 || entries.includes(null)) return Promise.resolve([...transfer.files]);
  return inside(/** @type {any[]} */ (entries));
}

/**
 * @param {any[]} entries of a file system, as browsers give them for what is dropped
 * @returns {Promise<File[]>}
 */
export async function inside(entries) {
  /** @type {File[]} */
  const files = [];
  for (const entry of entries) {
    if (entry.isFile) files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    else if (entry.isDirectory) files.push(...(await inside(await listed(entry.createReader()))));
  }
  return files;
}

/**
 * A folder is read in pieces until one is empty.
 * @param {any} reader
 * @returns {Promise<any[]>}
 */
async function listed(reader) {
  const all = [];
  for (;;) {
    const piece = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (piece.length === 0) return all;
    all.push(...piece);
  }
}

/**
 * The form that carries files and facts. Facts stand in it because addresses end up in logs; names of files stay here, because they may
 * hold that of a patient.
 * @param {Blob[]} files
 * @param {Record<string, string>} facts
 * @returns {FormData}
 */
export function formOf(files, facts) {
  const form = new FormData();
  for (const [name, value] of Object.entries(facts)) form.append(name, value);
  files.forEach((file, index) => form.append('file', file, `file-${index + 1}`));
  return form;
}
