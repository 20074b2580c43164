// The tables of topics and runs: the stance that they show, the order of their topics, and the arrow keys.

import { roving } from "./chart_input.js";
import { byId, fill } from "./dom.js";
import { ready } from "./index.js";

const stance = byId("drift-stance");
const order = byId("drift-order");

function showTable(table) {
  table.dataset.stance = stance.value;
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => a.dataset.place - b.dataset.place);
  const shown = stance.value === "most" ? ".most" : `.of-${stance.value}`;
  const size = (row) => Number(row.querySelector(`a[data-run="${order.value}"]${shown}`)?.dataset.m ?? -2);
  const [together, ...topics] = rows;
  if (order.value) topics.sort((a, b) => size(b) - size(a));
  body.append(together, ...topics);
  for (const link of body.querySelectorAll("a")) link.tabIndex = -1;
  const links = [...body.rows].map((row) => [...row.querySelectorAll(`a${shown}`)]);
  table.roving?.abort();
  table.roving = new AbortController();
  roving(table, links, { row: 0, column: 0 }, { signal: table.roving.signal });
}

ready.then((index) => {
  const runs = new Map(
    index.models.flatMap((model) => model.runs.filter((run) => run.phase).map((run) => [run.name, run.title])),
  );
  fill(order, [["", "as configured"], ...runs]);
  const tables = [...document.querySelectorAll(".matrix")];
  for (const table of tables)
    for (const [place, row] of [...table.tBodies[0].rows].entries()) row.dataset.place = place;
  const showAll = () => tables.forEach(showTable);
  for (const select of [stance, order]) select.addEventListener("change", showAll);
  showAll();
});
