/**
 * The models that may be asked for. Pure.
 */

/**
 * @typedef {{model: string, precision: string}} Wanted empty where the service is to choose
 * @typedef {{value: string, name: string, disabled: boolean, why: string}} Option
 */

/**
 * Every version of every model; one that no engine can run here cannot be chosen.
 * @param {any[]} models those of the service's list
 * @returns {Option[]}
 */
export function modelOptions(models) {
  return models.flatMap(({ name, active_version: active, versions }) => versions.map((/** @type {any} */ one) => ({
    value: `${name}@${one.version}`,
    name: `${name} ${one.version}${one.version === active ? ' (active)' : ''}`,
    disabled: !one.engine,
    why: one.reason ?? '',
  })));
}

/**
 * The precisions of a version that may be asked for here.
 * @param {any[]} models
 * @param {string} chosen `name@version`; empty where the service chooses
 * @returns {Option[]}
 */
export function precisionOptions(models, chosen) {
  const [name, version] = chosen.split('@');
  const found = models.find((model) => model.name === name)?.versions.find((/** @type {any} */ one) => one.version === version);
  return (found?.variants ?? []).map((/** @type {any} */ variant) => ({
    value: variant.precision,
    name: `${variant.precision}${variant.engine ? ` on ${variant.engine}` : ''}`,
    disabled: !variant.runs,
    why: variant.reason ?? '',
  }));
}

/**
 * What is asked for, after a change: a precision that the new model does not have is let go.
 * @param {any[]} models
 * @param {Wanted} wanted
 * @returns {Wanted}
 */
export function settled(models, { model, precision }) {
  const has = precisionOptions(models, model).some(({ value, disabled }) => value === precision && !disabled);
  return { model, precision: has ? precision : '' };
}

/**
 * The request for a segmentation.
 * @param {Wanted} wanted
 */
export function requestBody({ model, precision }) {
  return { ...(model ? { model } : {}), ...(precision ? { precision } : {}) };
}

/**
 * What became of the intervals of a model on patients that it was judged on.
 * @param {any[]} models those of the service's list
 * @param {any} model that of a segmentation
 * @returns {{patients: number, least: number, most: number} | null} shares of the patients, by quantity; `null` where the card does not tell
 */
export function judgedIntervals(models, model) {
  const version = models.find(({ name }) => name === model?.name)?.versions.find((/** @type {any} */ one) => one.version === model.version);
  const judged = version?.card?.calibration?.judged;
  const shares = Object.values(judged?.by_quantity ?? {}).filter((share) => typeof share === 'number');
  return shares.length > 0 && typeof judged.patients === 'number' ? { patients: judged.patients, least: Math.min(...shares), most: Math.max(...shares) } : null;
}
