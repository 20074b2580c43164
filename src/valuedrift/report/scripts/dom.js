// Elements of the page. Texts of models and data sets are set as text content only, never as HTML.

export const byId = (id) => document.getElementById(id);

export function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content); // strings become text nodes
  return made;
}

export function fill(select, titles, chosen) {
  select.replaceChildren(...titles.map(([value, title]) => new Option(title, value)));
  if (chosen !== undefined) select.value = chosen;
  select.closest(".field").hidden = select.dataset.shy === "" && titles.length < 2;
}

export function complain(place, error) {
  place.replaceChildren(element("p", "none", `Not shown: ${error.message}.`));
}

// The first drawings: the page isn't whole until they have ended.
const started = [];
export const start = (drawing) => started.push(drawing);
export const whole = () => Promise.allSettled(started);

// Draw now and whenever one of the selects changes; `place` shows why a drawing failed.
export function drawOn(selects, place, draw) {
  const drawn = () => draw().catch((error) => complain(place, error));
  for (const select of selects) select.addEventListener("change", drawn);
  start(drawn());
}
