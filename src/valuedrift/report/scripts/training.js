// What the training runs logged.

import { byId, drawOn, element, fill } from "./dom.js";
import { modelOf, modelOptions, ready } from "./index.js";
import { lineChart } from "./line_chart.js";
import { number } from "./numbers.js";
import { load } from "./pieces.js";

function trainingChart({ title, metric, steps, values }) {
  const name = byId("training-metric").selectedOptions[0].textContent;
  const low = Math.min(0, ...values);
  const high = Math.max(...values) || 1;
  const tell = (_segment, _line, i) => `${Number(values[i].toPrecision(4))} at step ${number(steps[i])}`;
  const label = `${name} of ${title}, from ${tell(0, 0, 0)} to ${tell(0, 0, steps.length - 1)}`;
  const [chart, readout] = lineChart({
    segments: [{ steps, lines: [{ name: metric, values }] }],
    low,
    high,
    label,
    tell,
  });
  return element("figure", "", element("figcaption", "", title), chart, readout);
}

async function showTraining(index) {
  const model = modelOf(index, byId("training-model").value);
  const lines = await load(`training/${model.name}`);
  const own = lines.filter((line) => line.metric === byId("training-metric").value);
  const none = element("p", "none", "No run of this model logged it.");
  byId("training-charts").replaceChildren(...(own.length ? own.map(trainingChart) : [none]));
}

if (byId("training-charts")) {
  ready.then((index) => {
    byId("training-model").dataset.shy = "";
    fill(byId("training-model"), modelOptions(index));
    drawOn([byId("training-model"), byId("training-metric")], byId("training-charts"), () => showTraining(index));
  });
}
