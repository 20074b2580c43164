// The controls of each section and the address, kept equal: a fragment opens what is shown, in any copy of the report.

import "./answers.js";
import "./drifts.js";
import "./examples.js";
import "./lineage.js";
import "./matrix.js";
import "./training.js";
import "./tools.js";
import "./trajectories.js";
import { controlsOf, copyButton, fragmentOf, keyOf, parsed, write } from "./address.js";
import { hideCard, leftFor, openCard } from "./card.js";
import { whole } from "./dom.js";
import { ready } from "./index.js";

const state = { view: "", isApplying: false };
const sections = [...document.querySelectorAll("main section")];

// Set the controls of a section; those that the values don't name get what they had when the page was opened.
async function apply(section, values) {
  state.isApplying = true;
  for (const control of controlsOf(section)) {
    const value = values[keyOf(section, control)] ?? control.dataset.initial ?? "";
    const isKnown = !control.options || [...control.options].some((option) => option.value === value);
    if (!isKnown || control.value === value) continue;
    control.value = value;
    control.dispatchEvent(new Event(control.options ? "change" : "input", { bubbles: true }));
    await new Promise((done) => setTimeout(done)); // other controls may depend on it
  }
  state.isApplying = false;
}

async function show(fragment) {
  const { view, values } = parsed(fragment);
  if (view === "card") return openCard(values);
  hideCard();
  leftFor(fragment);
  for (const section of sections) {
    if ([view, state.view].includes(section.id)) await apply(section, section.id === view ? values : {});
  }
  state.view = view;
  const found = document.getElementById(view);
  if (!found) return;
  found.scrollIntoView({ behavior: "instant" });
  const title = found.querySelector("h2, h3, h4") ?? found;
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
}

ready.then(async () => {
  for (const section of sections) section.prepend(copyButton(() => fragmentOf(section)));
  for (const finding of document.querySelectorAll(".finding")) finding.prepend(copyButton(() => `#${finding.id}`));
  document.addEventListener("change", ({ target }) => {
    const section = target.closest("main section");
    if (state.isApplying || !section) return;
    state.view = section.id;
    write(fragmentOf(section));
    leftFor(location.hash);
  });
  await whole();
  for (const control of sections.flatMap(controlsOf)) control.dataset.initial = control.value;
  addEventListener("hashchange", () => show(location.hash));
  if (location.hash) show(location.hash);
});
