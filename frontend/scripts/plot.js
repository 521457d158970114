/**
 * The one place that calls Plotly.
 */

import { curveMarks, curveTimes, timeOf } from './beat.js';
import { sliceFrame } from './geometry.js';
import { STRUCTURES } from './labels.js';

/** @type {any} */
const Plotly = /** @type {any} */ (globalThis).Plotly;

const INK = '#d7dee6';
const GRID = '#2a3440';
const MARK = '#98a6b5';
/** Plotly's own buttons are named one by one: its usual ones hold one that sends what is drawn to a service of its maker. */
const CONFIG = { responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: '', showTips: false };
/** Where a finger scrolls the page, it does not pan what is drawn. */
const TOUCH = globalThis.matchMedia?.('(pointer: coarse)').matches ?? false;

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
    margin: { l: 0, r: 0, t: 0, b: 0 },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: '#000',
    dragmode: TOUCH ? false : 'pan',
    modebar: { bgcolor: 'rgba(16,22,29,0.7)', color: INK, activecolor: '#fff' },
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
    displayModeBar: true,
    modeBarButtons: [['zoomIn2d', 'zoomOut2d', 'resetScale2d']],
  });
}

/**
 * Fits what is drawn into its element again, after that has changed its shape.
 * @param {HTMLElement} element a drawn plot
 */
export function fit(element) {
  return Plotly.Plots.resize(element);
}

/**
 * Draws the volumes over the beat, with end-diastole, end-systole and the frame in view as lines.
 * @param {HTMLElement} element
 * @param {{metrics: any, frame: number}} what
 */
export function drawCurve(element, { metrics, frame }) {
  const times = curveTimes(metrics);
  const timed = Boolean(metrics.curve.time_ms);
  const traces = STRUCTURES.toReversed().map(({ key, name, colour }) => ({
    type: 'scatter',
    mode: 'lines+markers',
    name,
    x: times,
    y: metrics.curve[`${key}_ml`],
    line: { color: colour, width: 2 },
    marker: { color: colour, size: 5 },
    hovertemplate: `%{y:.0f} ml<extra>${name}</extra>`,
  }));
  const line = { type: 'line', yref: 'paper', y0: 0, y1: 1 };
  const marks = curveMarks(metrics);
  const now = timeOf(metrics, frame);
  const layout = {
    uirevision: 'curve',
    margin: { l: 48, r: 12, t: 22, b: 76 },
    height: 280,
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: INK, family: 'system-ui, sans-serif', size: 12 },
    legend: { orientation: 'h', x: 0, y: -0.28, yanchor: 'top', itemclick: 'toggle' },
    dragmode: false,
    hovermode: 'x unified',
    hoverdistance: -1,
    hoverlabel: { bgcolor: '#18212b', bordercolor: GRID, font: { color: INK } },
    xaxis: { title: { text: timed ? 'Time (ms)' : 'Frame', standoff: 6 }, gridcolor: GRID, zeroline: false, fixedrange: true, unifiedhovertitle: { text: timed ? '%{x:.0f} ms' : 'Frame %{x}' } },
    yaxis: { title: { text: 'Volume (ml)', standoff: 6 }, gridcolor: GRID, rangemode: 'tozero', fixedrange: true },
    shapes: [
      ...marks.map(({ x }) => ({ ...line, x0: x, x1: x, line: { color: MARK, width: 1, dash: 'dash' } })),
      ...(now === null ? [] : [{ ...line, x0: now, x1: now, line: { color: '#fff', width: 2 } }]),
    ],
    annotations: marks.map(({ x, name }) => ({ x, y: 1, yref: 'paper', text: name, showarrow: false, yanchor: 'bottom', font: { color: INK } })),
  };
  return Plotly.react(element, traces, layout, { ...CONFIG, displayModeBar: false });
}

/**
 * Calls back with the horizontal position of a click on the curve: that of the pointer, because the point that Plotly names is the one
 * it highlighted last, and it does so only every so often.
 * @param {HTMLElement} element a drawn curve
 * @param {(x: number) => void} listener
 */
export function onCurveClick(element, listener) {
  const plot = /** @type {any} */ (element);
  plot.on('plotly_click', (/** @type {{event: MouseEvent}} */ { event }) => {
    const { left } = /** @type {Element} */ (element.querySelector('.nsewdrag')).getBoundingClientRect();
    listener(plot._fullLayout.xaxis.p2d(event.clientX - left));
  });
}
