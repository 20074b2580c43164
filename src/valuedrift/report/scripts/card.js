// The card of a drift: its three stances, when they moved, and how sure that is.

import { copyButton, link, write } from "./address.js";
import { byId, element } from "./dom.js";
import { modelOf, placeOf, ready, runOf, topicName } from "./index.js";
import { number } from "./numbers.js";
import { measured, trajectoryChart } from "./trajectory_chart.js";

const card = byId("card");
const opened = { before: "", origin: null };

// A value above its interval, neither of which is broken.
const inLines = (text) => text.replace(" [", "\n[").replaceAll(", ", ",\u00a0");

function linesOf(drifts) {
  const head = element("tr", "", element("td"));
  for (const { stance } of drifts) {
    const title = element("th", "", element("span", `dot ${stance}`), stance);
    title.scope = "col";
    head.append(title);
  }
  const rows = drifts[0].lines.map(([title], place) => {
    const label = element("th", "", title);
    label.scope = "row";
    const cells = drifts.map(({ lines, is_real: isReal }) =>
      element("td", isReal ? "" : "unreal", inLines(lines[place][1])),
    );
    return element("tr", "", label, ...cells);
  });
  return element("table", "card-lines", element("thead", "", head), element("tbody", "", ...rows));
}

function stepLine(index, { line }, step) {
  const i = line.steps.indexOf(Number(step));
  if (i < 0) return [];
  const values = line.stances.map(
    ({ value, low, high }, place) =>
      `${index.stances[place]} ${value[i].toFixed(2)} [${low[i].toFixed(2)}, ${high[i].toFixed(2)}]`,
  );
  return [element("p", "", element("strong", "", `At step ${number(line.steps[i])}: `), values.join(", "))];
}

function answersLinks(model, run, topic, step) {
  const at = { model: model.name, run: run.name, topic };
  const end = run.kept.at(-1);
  const links = [];
  const add = (text, values) => {
    const made = element("a", "", text);
    made.href = link("answers", values);
    links.push(element("li", "", made));
  };
  if (step !== undefined && (run.kept.includes(Number(step)) || (step === "0" && run.start))) {
    add(`Answers at step ${number(Number(step))}`, { ...at, step });
  }
  if (run.start && end !== undefined) {
    add("Answers before and after", { ...at, step: 0, "other-run": run.name, "other-step": end, order: "change" });
  }
  return element("ul", "card-links", ...links);
}

export async function openCard(values) {
  const address = location.hash;
  const index = await ready;
  const model = modelOf(index, values.model);
  const run = model && runOf(model, values.run);
  const topic = topicName(index, values.topic);
  const stage = run && topic && (await measured(model, run, values.topic, placeOf(index, values.topic)));
  if (location.hash !== address) return; // something else was opened meanwhile
  const close = element("button", "", "Close");
  close.type = "button";
  close.addEventListener("click", closeCard);
  const title = element("h2", "", stage ? topic : "No such drift");
  title.id = "card-title";
  const copy = copyButton(() => link("card", values));
  card.replaceChildren(element("div", "card-bar", copy, close), title);
  if (stage) {
    const pick = ({ step }) => {
      location.hash = link("card", { model: model.name, run: run.name, topic: values.topic, step });
    };
    const unhealthy = stage.drifts.map((drift) => drift.unhealthy).filter(Boolean);
    card.append(
      element("p", "", run.title),
      ...stepLine(index, stage, values.step),
      ...(stage.drifts.length ? [linesOf(stage.drifts)] : [element("p", "none", "A single checkpoint has no drift.")]),
      ...(unhealthy.length ? [element("p", "note", `${unhealthy[0]} answers at the run’s start or end.`)] : []),
      answersLinks(model, run, values.topic, values.step),
      element("figure", "", ...trajectoryChart(index, [stage], pick)),
    );
  }
  if (!card.contains(document.activeElement)) opened.origin = document.activeElement;
  card.hidden = false;
  card.focus({ preventScroll: true });
}

// Remember what was shown before cards, so that closing one returns there.
export function leftFor(fragment) {
  opened.before = fragment;
}

export function hideCard() {
  card.hidden = true;
}

function closeCard() {
  hideCard();
  write(opened.before);
  opened.origin?.focus({ preventScroll: true });
}

card.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeCard();
});
