// What can be taken out of the page: tables as text to paste, charts as files.

import { picture, save } from "./chart_files.js";
import { element } from "./dom.js";
import { FORMATS, rowsOf } from "./table_text.js";

function button(title, act) {
  const made = element("button", "", title);
  made.type = "button";
  made.addEventListener("click", async () => {
    const said = await act();
    made.replaceChildren(said);
    setTimeout(() => made.replaceChildren(title), 3000);
  });
  return made;
}

const folded = (title, label, ...buttons) => {
  const summary = element("summary", "", title);
  summary.setAttribute("aria-label", `${title} ${label}`);
  return element("details", "tools", summary, ...buttons);
};

export function copied(text) {
  return navigator.clipboard.writeText(text).then(
    () => "Copied",
    () => "The browser forbids it",
  );
}

// `find` returns the table's rows when a format is chosen.
export function tableTools(label, find) {
  const buttons = Object.entries(FORMATS).map(([title, format]) => button(title, () => copied(format(find()))));
  return folded("Copy", label, ...buttons);
}

function chartTools(figure) {
  const svg = figure.querySelector("svg");
  const title = figure.querySelector("figcaption")?.textContent || svg.getAttribute("aria-label") || "chart";
  const saved = (kind) => async () => {
    save(await picture(svg, kind), `${svg.getAttribute("aria-label") ?? title}.${kind}`);
    return "Saved";
  };
  return folded("Save", title, button("SVG", saved("svg")), button("PNG", saved("png")));
}

export function textTools(label, find) {
  return button(label, () => copied(find()));
}

function equip() {
  for (const table of document.querySelectorAll("main table:not([data-tools])")) {
    table.dataset.tools = "";
    const place = table.closest(".scroll") ?? table;
    place.before(tableTools(place.getAttribute("aria-label") ?? "this table", () => rowsOf(table)));
  }
  for (const figure of document.querySelectorAll("main figure:not([data-tools])")) {
    if (!figure.querySelector("svg")) continue;
    figure.dataset.tools = "";
    figure.append(chartTools(figure));
  }
}

equip();
new MutationObserver(equip).observe(document.querySelector("main"), { childList: true, subtree: true });
for (const pre of document.querySelectorAll("pre[data-copy]")) {
  pre.before(textTools(pre.dataset.copy, () => pre.textContent));
}
