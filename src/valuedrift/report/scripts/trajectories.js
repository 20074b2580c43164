// Every run's stances over its steps, on the chosen topic.

import { openAnswers } from "./answers.js";
import { byId, complain, drawOn, element, fill } from "./dom.js";
import { modelOptions, ready, topicOptions } from "./index.js";
import { lineChart } from "./line_chart.js";
import { number } from "./numbers.js";
import { load } from "./pieces.js";

function trajectory(index, model, run, line) {
  const lines = line.stances.map((stance, place) => ({
    name: index.stances[place],
    values: stance.value,
    low: stance.low,
    high: stance.high,
  }));
  const tell = ({ name, values, low, high }, i) =>
    `${name} ${values[i].toFixed(2)} [${low[i].toFixed(2)}, ${high[i].toFixed(2)}] at step ${number(line.steps[i])}`;
  const pick = ({ name }, i) =>
    openAnswers({ model, run: run.name, step: line.steps[i], topic: line.topic, stance: name });
  const label = `Stance probabilities over training: ${run.title}`;
  const [steps, xTitle] = run.tokens
    ? [line.steps.map((step) => step * run.tokens), "Tokens"]
    : [line.steps, undefined];
  const [chart, readout] = lineChart({
    steps,
    low: 0,
    high: 1,
    xTitle,
    yTitle: "Stance probability",
    label,
    lines,
    tell,
    pick,
  });
  return element("figure", "", element("figcaption", "", run.short), chart, readout);
}

async function drawTrajectories() {
  const index = await ready;
  const place = byId("trajectory-charts");
  const model = index.models[Number(byId("trajectory-model").value)];
  const topic = Number(byId("trajectory-topic").value);
  const found = (await load(`values/${model.name}`)).filter((line) => line.topic === topic);
  const runs = new Map(model.runs.map((run) => [run.name, run]));
  const phases = Map.groupBy(found, (line) => runs.get(line.run).phase);
  const blocks = [...phases].flatMap(([phase, lines]) => {
    const figures = lines.map((line) => trajectory(index, model, runs.get(line.run), line));
    return [element("h3", "", phase), element("div", "panels", ...figures)];
  });
  place.replaceChildren(...(blocks.length ? blocks : [element("p", "none", "Not measured on this topic.")]));
}

ready
  .then((index) => {
    byId("trajectory-model").dataset.shy = "";
    fill(byId("trajectory-model"), modelOptions(index));
    fill(byId("trajectory-topic"), topicOptions(index));
    return drawOn([byId("trajectory-model"), byId("trajectory-topic")], byId("trajectory-charts"), drawTrajectories);
  })
  .catch((error) => complain(byId("trajectory-charts"), error));
