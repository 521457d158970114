/**
 * The one place that calls Plotly.
 */

import { sliceFrame } from './geometry.js';
import { STRUCTURES } from './labels.js';

/** @type {any} */
const Plotly = /** @type {any} */ (globalThis).Plotly;

const INK = '#d7dee6';
const GRID = '#2a3440';
const CONFIG = { responsive: true, displaylogo: false };

/**
 * Draws a slice: its picture, in the coordinates of its voxels.
 * @param {HTMLElement} element
 * @param {{shape: import('./geometry.js').Shape, spacingMm: import('./geometry.js').SpacingMm, picture: string, revision: string}} what
 *   `revision` names the study: zoom and pan are kept for as long as it stays
 */
export function drawSlice(element, { shape, spacingMm, picture, revision }) {
  const frame = sliceFrame(shape, spacingMm);
  const layout = {
    uirevision: revision,
    margin: { l: 8, r: 8, t: 8, b: 8 },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: '#000',
    dragmode: 'pan',
    xaxis: { range: frame.x, visible: false, constrain: 'domain' },
    yaxis: { range: frame.y, visible: false, scaleanchor: 'x', scaleratio: frame.rowPerColumn, constrain: 'domain' },
    images: [
      {
        source: picture,
        xref: 'x',
        yref: 'y',
        x: -0.5,
        y: -0.5,
        xanchor: 'left',
        yanchor: 'top',
        sizex: shape.columns,
        sizey: shape.rows,
        sizing: 'stretch',
        layer: 'below',
      },
    ],
  };
  const nothing = [{ type: 'scatter', x: [], y: [], hoverinfo: 'skip', showlegend: false }];
  return Plotly.react(element, nothing, layout, {
    ...CONFIG,
    scrollZoom: true,
    modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d', 'hoverClosestCartesian', 'hoverCompareCartesian'],
  });
}

/**
 * Draws the volumes over the beat, with the frame in view as a line.
 * @param {HTMLElement} element
 * @param {{metrics: any, frame: number, frames: number}} what
 */
export function drawCurve(element, { metrics, frame, frames }) {
  const times = curveTimes(metrics, frames);
  const curve = metrics.curve;
  const traces = STRUCTURES.map(({ key, name, colour }) => ({
    type: 'scatter',
    mode: frames > 1 ? 'lines+markers' : 'markers',
    name,
    x: times,
    y: curve[`${key}_ml`],
    line: { color: colour, width: 2 },
    marker: { color: colour, size: 4 },
    hovertemplate: `%{y:.0f} ml<extra>${name}</extra>`,
  }));
  const marks = [
    [metrics.phases?.ed_frame, 'ED'],
    [metrics.phases?.es_frame, 'ES'],
  ].filter(([at]) => typeof at === 'number' && at < frames);
  const layout = {
    uirevision: 'curve',
    margin: { l: 52, r: 12, t: 28, b: 44 },
    height: 260,
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: INK, family: 'system-ui, sans-serif', size: 12 },
    legend: { orientation: 'h', x: 0, y: 1.16 },
    hovermode: 'x unified',
    xaxis: { title: { text: curve.time_ms ? 'Time (ms)' : 'Frame' }, gridcolor: GRID, zeroline: false },
    yaxis: { title: { text: 'Volume (ml)' }, gridcolor: GRID, rangemode: 'tozero' },
    shapes: [{ type: 'line', x0: times[frame], x1: times[frame], yref: 'paper', y0: 0, y1: 1, line: { color: INK, width: 1, dash: 'dot' } }],
    annotations: marks.map(([at, text]) => ({ x: times[at], y: 1, yref: 'paper', text, showarrow: false, yanchor: 'bottom', font: { color: INK } })),
  };
  return Plotly.react(element, traces, layout, { ...CONFIG, displayModeBar: false });
}

/**
 * The horizontal axis of the curve: times in ms where they are known, else frames.
 * @param {any} metrics
 * @param {number} frames
 * @returns {number[]}
 */
export function curveTimes(metrics, frames) {
  return metrics.curve.time_ms ?? Array.from({ length: frames }, (_, index) => index);
}

/**
 * Calls back with the horizontal position of a click on the curve.
 * @param {HTMLElement} element a drawn curve
 * @param {(x: number) => void} listener
 */
export function onCurveClick(element, listener) {
  /** @type {any} */ (element).on('plotly_click', (/** @type {any} */ event) => listener(event.points[0].x));
}
