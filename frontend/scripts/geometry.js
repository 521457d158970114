/**
 * Where voxels lie on the page. Pure: no DOM, no Plotly.
 *
 * Plot coordinates are voxel coordinates: x is the column, y the row, both counted from 0 at the centre of the first voxel,
 * rows downwards, as in the pictures of the service. Nothing is flipped.
 */

/**
 * @typedef {{frames: number, slices: number, rows: number, columns: number}} Shape
 * @typedef {{row: number, column: number, slice: number}} SpacingMm
 */

/** Widest picture that is asked for, in pixels. */
const MAX_PICTURE_WIDTH = 1024;

/**
 * The rectangle that a slice covers in plot coordinates, and how much taller than wide a voxel is.
 * @param {Shape} shape
 * @param {SpacingMm} spacingMm
 */
export function sliceFrame(shape, spacingMm) {
  return {
    x: [-0.5, shape.columns - 0.5],
    y: [shape.rows - 0.5, -0.5],
    rowPerColumn: spacingMm.row / spacingMm.column,
  };
}

/**
 * Width of the picture to ask for: a whole multiple of the columns, so that every voxel is equally wide.
 * @param {number} columns
 * @param {number} wantedWidth pixels the slice will cover on the screen
 */
export function pictureWidth(columns, wantedWidth) {
  const most = Math.max(1, Math.floor(MAX_PICTURE_WIDTH / columns));
  const wanted = Math.max(1, Math.ceil(wantedWidth / columns));
  return columns * Math.min(most, wanted);
}

/**
 * Keeps an index within 0 … count - 1.
 * @param {number} index
 * @param {number} count
 */
export function clampIndex(index, count) {
  if (!Number.isFinite(index)) return 0;
  return Math.min(Math.max(Math.round(index), 0), Math.max(count - 1, 0));
}

/**
 * Width over height of the box a slice is shown in: that of the slice, within what leaves room for the rest of the page.
 * @param {Shape} shape
 * @param {SpacingMm} spacingMm
 */
export function boxAspect(shape, spacingMm) {
  const aspect = (shape.columns * spacingMm.column) / (shape.rows * spacingMm.row);
  return Number.isFinite(aspect) ? Math.min(Math.max(aspect, 0.7), 1.8) : 1;
}
