// A table that is sorted by its titles and filtered by words, a page at a time.

import { element } from "./dom.js";
import { number } from "./numbers.js";
import { tableTools } from "./tools.js";

const ROWS = 50;
const FEW = 15;

// Numbers in the order of their size, before other texts in the order of the alphabet, before what is missing.
function sortKey(text) {
  const found = Number.parseFloat(text.replace("−", "-").replace("< ", ""));
  if (Number.isFinite(found)) return [0, found];
  return text === "—" || text === "" ? [2, ""] : [1, text];
}

function byKey([kind, a], [otherKind, b]) {
  if (kind !== otherKind) return kind - otherKind;
  return kind === 0 ? a - b : a.localeCompare(b);
}

// columns: {title, text(row), cell(row) if it is more than the text, isNumber}; the table, its filter and tools
export function recordTable({ label, columns, rows }) {
  const texts = rows.map((row) => columns.map(({ text }) => text(row)));
  const lowered = texts.map((cells) => cells.join("\n").toLowerCase());
  const state = { column: -1, sign: 1, shown: ROWS, found: [...rows.keys()] };
  const body = element("tbody");
  const count = element("p", "note");
  count.setAttribute("role", "status");
  const more = element("button", "", "Show more");
  const search = element("input");
  Object.assign(more, { type: "button" });
  Object.assign(search, { type: "search", autocomplete: "off", spellcheck: false });

  function line(place) {
    const cells = columns.map(({ cell, isNumber }, column) =>
      element("td", isNumber ? "n" : "", cell ? cell(rows[place]) : texts[place][column]),
    );
    return element("tr", "", ...cells);
  }
  function draw() {
    body.replaceChildren(...state.found.slice(0, state.shown).map(line));
    const seen = Math.min(state.shown, state.found.length);
    count.textContent = `Showing ${number(seen)} of ${number(state.found.length)} rows.`;
    more.hidden = seen === state.found.length;
  }
  function find() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    state.found = [...rows.keys()].filter((place) => words.every((word) => lowered[place].includes(word)));
    if (state.column >= 0) {
      const keys = texts.map((cells) => sortKey(cells[state.column]));
      state.found.sort((a, b) => keys[a][0] - keys[b][0] || state.sign * byKey(keys[a], keys[b]) || a - b);
    }
    state.shown = ROWS;
    draw();
  }
  const titles = columns.map(({ title, isNumber }, column) => {
    const sorts = element("button", "sorts", title);
    sorts.type = "button";
    const made = element("th", isNumber ? "n" : "", sorts);
    made.scope = "col";
    sorts.addEventListener("click", () => {
      state.sign = state.column === column ? -state.sign : 1;
      state.column = column;
      for (const one of titles) one.removeAttribute("aria-sort");
      made.setAttribute("aria-sort", state.sign > 0 ? "ascending" : "descending");
      find();
    });
    return made;
  });
  search.addEventListener("input", find);
  more.addEventListener("click", () => {
    state.shown += 4 * ROWS;
    draw();
  });
  draw();
  const table = element("table", "data", element("thead", "", element("tr", "", ...titles)), body);
  table.dataset.tools = "";
  const field = element("label", "field", "Only rows with the words", search);
  const tools = tableTools(label, () => [columns.map(({ title }) => title), ...state.found.map((i) => texts[i])]);
  const scroll = element("div", "scroll", table);
  Object.assign(scroll, { tabIndex: 0, role: "region", ariaLabel: label });
  const isLong = rows.length > FEW;
  const bar = element("div", "toolbar", ...(isLong ? [field] : []), tools);
  return element("div", "records", bar, ...(isLong ? [count] : []), scroll, more);
}
