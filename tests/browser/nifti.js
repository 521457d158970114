/**
 * Small NIfTI-1 files for the page's tests: a reader of uint8 masks and a writer of int16 volumes.
 */

import { gunzipSync, gzipSync } from 'node:zlib';

/**
 * @param {Buffer} file a mask as the service sends it
 * @returns {{columns: number, rows: number, slices: number, frames: number, at: (x: number, y: number, z: number, t: number) => number}}
 */
export function readMask(file) {
  const bytes = file[0] === 0x1f ? gunzipSync(file) : file;
  const [columns, rows, slices, frames] = [1, 2, 3, 4].map((axis) => Math.max(1, bytes.readInt16LE(40 + 2 * axis)));
  const offset = bytes.readFloatLE(108);
  return {
    columns,
    rows,
    slices,
    frames,
    at: (x, y, z, t) => bytes[offset + x + columns * (y + rows * (z + slices * t))] ?? 0,
  };
}

/**
 * Keeps every `step`-th row of a volume, so that its pixels are `step` times as tall as wide.
 * @param {Buffer} file a gzipped NIfTI-1 volume, little-endian, two bytes a voxel
 * @param {number} step
 */
export function dropRows(file, step) {
  const bytes = gunzipSync(file);
  const bits = bytes.readInt16LE(72);
  if (bits !== 16) throw new Error(`expected 16 bits a voxel, found ${bits}`);
  const columns = bytes.readInt16LE(42);
  const rows = bytes.readInt16LE(44);
  const offset = bytes.readFloatLE(108);
  const header = Buffer.from(bytes.subarray(0, offset));
  const kept = Math.floor(rows / step);
  header.writeInt16LE(kept, 44);
  header.writeFloatLE(header.readFloatLE(84) * step, 84);
  header.writeInt16LE(0, 252);
  header.writeInt16LE(0, 254);
  const rowBytes = columns * 2;
  const out = [header];
  for (let slice = offset; slice < bytes.length; slice += rows * rowBytes) {
    for (let row = 0; row < kept; row += 1) {
      const from = slice + row * step * rowBytes;
      out.push(bytes.subarray(from, from + rowBytes));
    }
  }
  return gzipSync(Buffer.concat(out));
}

/**
 * The first frames of a cine. One frame alone becomes a volume of three axes.
 * @param {Buffer} file a gzipped NIfTI-1 volume, little-endian, two bytes a voxel
 * @param {number} frames
 */
export function takeFrames(file, frames) {
  const bytes = gunzipSync(file);
  const offset = bytes.readFloatLE(108);
  const header = Buffer.from(bytes.subarray(0, offset));
  const frameBytes = [42, 44, 46].reduce((product, at) => product * bytes.readInt16LE(at), 2);
  header.writeInt16LE(frames === 1 ? 3 : 4, 40);
  header.writeInt16LE(frames, 48);
  return gzipSync(Buffer.concat([header, bytes.subarray(offset, offset + frames * frameBytes)]));
}

/**
 * A mask in which a structure of one slice is another one, in every frame.
 * @param {Buffer} file a mask as the service sends it
 * @param {number} slice
 * @param {number} from
 * @param {number} to
 */
export function relabel(file, slice, from, to) {
  const bytes = gunzipSync(file);
  const [columns, rows, slices] = [42, 44, 46].map((at) => bytes.readInt16LE(at));
  const offset = bytes.readFloatLE(108);
  for (let at = offset; at < bytes.length; at += 1) {
    if (Math.floor((at - offset) / (columns * rows)) % slices === slice && bytes[at] === from) bytes[at] = to;
  }
  return gzipSync(bytes);
}
