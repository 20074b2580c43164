// Which checkpoints' answers are chosen, and their pieces.

import { number } from "./numbers.js";
import { load } from "./pieces.js";

export const EVERY = "every";
export const LAST = "last";
export const LABELLED = "labelled";
export const hasLabels = (model) => model.runs.some((run) => run.labelled.length);
export const isMany = (step) => [EVERY, LAST, LABELLED].includes(step);

// A run's checkpoints as {run, step, at}: step 0 is that of the run it started from.
export function checkpoints(run) {
  const start = run.start ? [{ run: run.start.run, step: run.start.step, at: 0, title: run.title }] : [];
  return [...start, ...run.kept.map((step) => ({ run: run.name, step, at: step, title: run.title }))];
}

export function stepOptions(model, name) {
  if (name === EVERY)
    return [
      [LAST, "the last of each run"],
      [EVERY, "every checkpoint"],
      ...(hasLabels(model) ? [[LABELLED, "those with labels"]] : []),
    ];
  const run = model.runs.find((one) => one.name === name);
  const steps = checkpoints(run).map(({ at }) => [
    at,
    at === 0 && run.start ? "step 0, its start" : `step ${number(at)}`,
  ]);
  return [...steps, [EVERY, "every checkpoint"]];
}

export function chosen(model, runName, stepName) {
  if (runName === EVERY) {
    const kept = (run) => (stepName === LABELLED ? run.labelled : run.kept.slice(stepName === LAST ? -1 : 0));
    return model.runs.flatMap((run) => checkpoints({ ...run, start: null, kept: kept(run) }));
  }
  const found = checkpoints(model.runs.find((run) => run.name === runName));
  return stepName === EVERY ? found : found.filter(({ at }) => at === Number(stepName));
}

export async function loaded(model, points, tell) {
  let done = 0;
  return Promise.all(
    points.map(async (point) => {
      const piece = await load(`answers/${model.name}/${point.run}/${point.step}`);
      done += 1;
      if (points.length > 1) tell(`Loading checkpoint ${done} of ${points.length} …`);
      return { ...point, piece };
    }),
  );
}
