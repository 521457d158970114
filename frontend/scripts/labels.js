/**
 * The structures, their names for people, and their colours, which are those of the pictures of the service.
 */

/**
 * @typedef {{code: number, key: string, name: string, short: string, colour: string}} Structure
 */

/** @type {Structure[]} */
export const STRUCTURES = [
  { code: 1, key: 'right_ventricle', name: 'Right ventricle', short: 'RV', colour: '#56b4e9' },
  { code: 2, key: 'myocardium', name: 'Myocardium', short: 'Myo', colour: '#e69f00' },
  { code: 3, key: 'left_ventricle', name: 'Left ventricle', short: 'LV', colour: '#d55e00' },
];
