// Every drift of every run, topic and stance.

import { link } from "./address.js";
import { byId, complain, element, start } from "./dom.js";
import { ready, runOf, topicName } from "./index.js";
import { load } from "./pieces.js";
import { recordTable } from "./record_table.js";

const LINES = ["q-value", "η", "t50", "Among healthy answers"];

function rowsOfModel(index, model, runs) {
  return Object.entries(runs).flatMap(([run, topics]) =>
    Object.entries(topics).flatMap(([topic, drifts]) =>
      drifts.map((drift) => ({
        at: { model: model.name, run, topic },
        model: model.title,
        run: runOf(model, run).title,
        topic: topicName(index, topic),
        stance: drift.stance,
        verdict: drift.verdict,
        lines: Object.fromEntries(drift.lines),
      })),
    ),
  );
}

function cardLink({ at, topic }) {
  const made = element("a", "", topic);
  made.href = link("card", at);
  return made;
}

const columns = [
  { title: "Run", text: ({ run }) => run },
  { title: "Topic", text: ({ topic }) => topic, cell: cardLink },
  {
    title: "Stance",
    text: ({ stance }) => stance,
    cell: ({ stance }) => element("span", "", element("span", `dot ${stance}`), stance),
  },
  { title: "Verdict", text: ({ verdict }) => verdict },
  { title: "From → to", text: ({ lines }) => lines["From → to"], isNumber: true },
  { title: "M, 95 % interval", text: ({ lines }) => `${lines.M} ${lines["95 % interval"]}`, isNumber: true },
  ...LINES.map((title) => ({ title, text: ({ lines }) => lines[title], isNumber: true })),
];

async function showDrifts() {
  const index = await ready;
  const pieces = await Promise.all(index.models.map((model) => load(`drifts/${model.name}`)));
  const rows = index.models.flatMap((model, place) => rowsOfModel(index, model, pieces[place]));
  const several = index.models.length > 1 ? [{ title: "Model", text: ({ model }) => model }] : [];
  byId("drifts-list").replaceChildren(recordTable({ label: "All drifts", columns: [...several, ...columns], rows }));
}

start(showDrifts().catch((error) => complain(byId("drifts-list"), error)));
