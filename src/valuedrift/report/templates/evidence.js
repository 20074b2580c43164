"use strict";

// The training examples nearest to a topic, and what the training runs logged.

async function showExamples(index) {
  const data = byId("examples-data").value;
  const topic = Number(byId("examples-topic").value);
  const { examples, moved } = await load("examples/" + data);
  const lines = moved.filter((one) => one.topic === topic);
  const blocks = lines.map(({ run, stance, change }) => element("p", "note", `${run}: ${stance} rose most, ${change}.`));
  const groups = Map.groupBy(examples.filter((one) => one.topic === topic), ({ role, stance }) => role + ": " + stance);
  for (const [title, own] of groups) {
    blocks.push(element("h4", "", `${title} (${number(own[0].all)} examples)`));
    blocks.push(element("div", "pair", ...own.map((one) => exampleBlock(index, one))));
  }
  byId("examples-list").replaceChildren(...(blocks.length ? blocks : [element("p", "none", "No example is near to this topic.")]));
}

function exampleBlock(index, { question, answer, cosine, shares }) {
  const asked = element("p", "when", question.slice(0, LONGEST));
  const note = element("p", "note", "cosine " + cosine.toFixed(2));
  return element("div", "answer", asked, ...quote(answer), bars(index.stances, shares), note);
}

function trainingChart({ title, metric, steps, values }) {
  const name = byId("training-metric").selectedOptions[0].textContent;
  const low = Math.min(0, ...values);
  const high = Math.max(...values) || 1;
  const tell = (line, i) => `${Number(values[i].toPrecision(4))} at step ${number(steps[i])}`;
  const label = `${name} of ${title}, from ${tell(null, 0)} to ${tell(null, steps.length - 1)}`;
  const [chart, readout] = lineChart({ steps, low, high, label, lines: [{ name: metric, values }], tell });
  return element("figure", "", element("figcaption", "", title), chart, readout);
}

async function showTraining(index) {
  const model = index.models[Number(byId("training-model").value)];
  const lines = await load("training/" + model.name);
  const own = lines.filter((line) => line.metric === byId("training-metric").value);
  const none = element("p", "none", "No run of this model logged it.");
  byId("training-charts").replaceChildren(...(own.length ? own.map(trainingChart) : [none]));
}

function start(index, place, selects, show) {
  const draw = () => show(index).catch((error) => complain(place, error));
  for (const select of selects) select.addEventListener("change", draw);
  draw();
}

ready.then((index) => {
  if (byId("examples-list")) {
    fill(byId("examples-topic"), index.topics.map((name, place) => [place, name]));
    start(index, byId("examples-list"), [byId("examples-data"), byId("examples-topic")], showExamples);
  }
  if (byId("training-charts")) {
    byId("training-model").dataset.shy = "";
    fill(byId("training-model"), modelOptions(index));
    start(index, byId("training-charts"), [byId("training-model"), byId("training-metric")], showTraining);
  }
});
