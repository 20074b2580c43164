// Every run's stances over its steps, on the chosen topic.

import { link } from "./address.js";
import { byId, drawOn, element, fill } from "./dom.js";
import { modelOf, modelOptions, placeOf, ready, topicOptions } from "./index.js";
import { measured, trajectoryChart } from "./trajectory_chart.js";

async function drawTrajectories(index) {
  const model = modelOf(index, byId("trajectories-model").value);
  const topic = byId("trajectories-topic").value;
  const all = await Promise.all(model.runs.map((run) => measured(model, run, topic, placeOf(index, topic))));
  const phases = Map.groupBy(all.filter(Boolean), ({ run }) => run.phase);
  const pick = (place) => {
    location.hash = link("card", { model: model.name, ...place });
  };
  const blocks = [...phases].flatMap(([phase, stages]) => {
    const figures = stages.map((stage) =>
      element("figure", "", element("figcaption", "", stage.run.short), ...trajectoryChart(index, [stage], pick)),
    );
    return [element("h3", "", phase), element("div", "panels", ...figures)];
  });
  const none = element("p", "none", "Not measured on this topic.");
  byId("trajectory-charts").replaceChildren(...(blocks.length ? blocks : [none]));
}

ready.then((index) => {
  byId("trajectories-model").dataset.shy = "";
  fill(byId("trajectories-model"), modelOptions(index));
  fill(byId("trajectories-topic"), topicOptions(index));
  const selects = [byId("trajectories-model"), byId("trajectories-topic")];
  drawOn(selects, byId("trajectory-charts"), () => drawTrajectories(index));
});
