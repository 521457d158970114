/**
 * The structures, their names for people, and their colours, which are those of the pictures of the service;
 * `onLight` is a darker one of the same hue, for lines on a light ground.
 */

/**
 * @typedef {{code: number, key: string, name: string, short: string, colour: string, onLight: string}} Structure
 */

/** @type {Structure[]} */
export const STRUCTURES = [
  { code: 1, key: 'right_ventricle', name: 'Right ventricle', short: 'RV', colour: '#56b4e9', onLight: '#0072b2' },
  { code: 2, key: 'myocardium', name: 'Myocardium', short: 'Myo', colour: '#e69f00', onLight: '#a36f00' },
  { code: 3, key: 'left_ventricle', name: 'Left ventricle', short: 'LV', colour: '#d55e00', onLight: '#b84a00' },
];
