// The stages of one lineage, one after another, on the chosen topic.

import { link } from "./address.js";
import { byId, drawOn, element, fill } from "./dom.js";
import { lineageOf, modelOf, modelOptions, placeOf, ready, topicOptions } from "./index.js";
import { measured, trajectoryChart } from "./trajectory_chart.js";

const HEIGHT = 340;

// The lineages that no run continues, or all runs where each is a lineage of its own.
function ends(model) {
  const runs = model.runs.filter((run) => run.phase);
  return runs.filter((run) => !runs.some((other) => other.name.startsWith(`${run.name}/`)));
}

async function drawLineage(index) {
  const model = modelOf(index, byId("lineage-model").value);
  const topic = byId("lineage-topic").value;
  const runs = lineageOf(model, byId("lineage-run").value);
  const found = await Promise.all(runs.map((run) => measured(model, run, topic, placeOf(index, topic))));
  const stages = found.filter(Boolean);
  const place = byId("lineage-chart");
  if (!stages.length) {
    place.replaceChildren(element("p", "none", "Not measured on this topic."));
    return;
  }
  const pick = (point) => {
    location.hash = link("card", { model: model.name, ...point });
  };
  const width = Math.max(340, Math.min(1100, place.clientWidth));
  const caption = element("figcaption", "", stages.map(({ run }) => run.own).join(" → "));
  place.replaceChildren(caption, ...trajectoryChart(index, stages, pick, { width, height: HEIGHT, brackets: true }));
}

function fillRuns(index) {
  const model = modelOf(index, byId("lineage-model").value);
  const options = ends(model).map((run) => [
    run.name,
    lineageOf(model, run.name)
      .map(({ own }) => own)
      .join(" → "),
  ]);
  fill(byId("lineage-run"), options, model.first);
}

ready.then((index) => {
  const model = byId("lineage-model");
  model.dataset.shy = "";
  fill(model, modelOptions(index));
  fill(byId("lineage-topic"), topicOptions(index));
  fillRuns(index);
  model.addEventListener("change", () => fillRuns(index));
  const draw = () => drawLineage(index);
  const selects = [model, byId("lineage-run"), byId("lineage-topic")];
  drawOn(selects, byId("lineage-chart"), draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) draw();
    width = innerWidth;
  });
});
