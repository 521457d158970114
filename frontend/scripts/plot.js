/**
 * The one place that calls Plotly.
 */

import { curveMarks, curveTimes, rateMarks, timeOf } from './beat.js';
import { sliceFrame } from './geometry.js';
import { STRUCTURES } from './labels.js';

/** @type {any} */
const Plotly = /** @type {any} */ (globalThis).Plotly;

/** Colours of the curve on a dark and on a light page; Plotly does not know the page's style sheet. */
const THEMES = {
  dark: { ink: '#d7dee6', grid: '#2a3440', hover: '#18212b', now: '#ffffff', colour: 'colour' },
  light: { ink: '#1b2630', grid: '#d3dae2', hover: '#ffffff', now: '#000000', colour: 'onLight' },
};
/** The buttons on the slice, which is black on any page. */
const ON_SLICE = { bgcolor: 'rgba(16,22,29,0.7)', color: '#d7dee6', activecolor: '#fff' };
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
    modebar: ON_SLICE,
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
 * Draws the volumes over the beat as points and their smoothed course as lines, with the phases of both ventricles, the steepest places
 * and the frame in view.
 * @param {HTMLElement} element
 * @param {{metrics: any, frame: number, theme: import('./state.js').Theme}} what
 */
export function drawCurve(element, { metrics, frame, theme }) {
  const { ink, grid, hover, now: nowColour, colour: which } = THEMES[theme];
  const times = curveTimes(metrics);
  const timed = Boolean(metrics.curve.time_ms);
  const smoothed = metrics.curve.smoothed ?? {};
  const colourOf = (/** @type {string} */ key) => /** @type {any} */ (STRUCTURES.find((one) => one.key === key))[which];
  const curves = STRUCTURES.toReversed().flatMap(({ key, name }) => {
    const smooth = smoothed[`${key}_ml`];
    const raw = {
      type: 'scatter',
      mode: smooth ? 'markers' : 'lines+markers',
      name,
      legendgroup: key,
      x: times,
      y: metrics.curve[`${key}_ml`],
      line: { color: colourOf(key), width: 2 },
      marker: { color: colourOf(key), size: 5 },
      hovertemplate: `%{y:.0f} ml<extra>${name}</extra>`,
    };
    const line = { type: 'scatter', mode: 'lines', legendgroup: key, showlegend: false, hoverinfo: 'skip', x: times, y: smooth, line: { color: colourOf(key), width: 2 } };
    return smooth ? [line, raw] : [raw];
  });
  const rates = rateMarks(metrics).map(({ name, x, y, rate, whose }) => ({
    type: 'scatter',
    mode: 'markers+text',
    legendgroup: whose,
    showlegend: false,
    x: [x],
    y: [y],
    text: [name],
    textposition: name === 'PER' ? 'top right' : 'bottom right',
    textfont: { color: ink, size: 11 },
    marker: { symbol: name === 'PER' ? 'triangle-down' : 'triangle-up', size: 11, color: colourOf(whose), line: { color: ink, width: 1 } },
    hovertemplate: `${rate.toFixed(0)} ml/s<extra>${whose === 'left_ventricle' ? 'LV' : 'RV'} ${name}</extra>`,
  }));
  const line = { type: 'line', yref: 'paper', y0: 0, y1: 1 };
  const marks = curveMarks(metrics);
  const now = timeOf(metrics, frame);
  const layout = {
    uirevision: 'curve',
    margin: { l: 48, r: 12, t: 34, b: 76 },
    height: 300,
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: ink, family: 'system-ui, sans-serif', size: 12 },
    legend: { orientation: 'h', x: 0, y: -0.28, yanchor: 'top', itemclick: 'toggle' },
    dragmode: false,
    hovermode: 'x unified',
    hoverdistance: -1,
    hoverlabel: { bgcolor: hover, bordercolor: grid, font: { color: ink } },
    xaxis: { title: { text: timed ? 'Time (ms)' : 'Frame', standoff: 6 }, gridcolor: grid, zeroline: false, fixedrange: true, unifiedhovertitle: { text: timed ? '%{x:.0f} ms' : 'Frame %{x}' } },
    yaxis: { title: { text: 'Volume (ml)', standoff: 6 }, gridcolor: grid, rangemode: 'tozero', fixedrange: true },
    shapes: [
      ...marks.map(({ x, whose }) => ({ ...line, x0: x, x1: x, line: { color: colourOf(whose), width: 1.5, dash: whose === 'left_ventricle' ? 'dash' : 'dot' } })),
      ...(now === null ? [] : [{ ...line, x0: now, x1: now, line: { color: nowColour, width: 2 } }]),
    ],
    // Those of the right ventricle stand a line higher: its phases are a frame or two away from the left one's.
    annotations: marks.map(({ x, name, whose }) => ({ x, y: 1, yref: 'paper', yshift: whose === 'left_ventricle' ? 0 : 13, text: name, showarrow: false, yanchor: 'bottom', font: { color: ink, size: whose === 'left_ventricle' ? 12 : 11 } })),
  };
  return Plotly.react(element, [...curves, ...rates], layout, { ...CONFIG, displayModeBar: false });
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
