"use strict";

const byId = (id) => document.getElementById(id);
const sheet = JSON.parse(byId("sheet").textContent);
const store = "valuedrift " + sheet.sheet;
const radios = [...document.querySelectorAll("input[name=stance]")];
const filled = load();
let place = Math.max(0, nextOpen(-1));

function load() {
  try {
    return new Map(JSON.parse(localStorage.getItem(store) || "[]"));
  } catch {
    return new Map();
  }
}

function keep() {
  try {
    localStorage.setItem(store, JSON.stringify([...filled]));
  } catch {
    byId("trouble").hidden = false;
    byId("trouble").textContent = "This browser does not keep your choices: save the file before you close the page.";
  }
  byId("progress").value = labelled();
  byId("count").textContent = labelled() + " of " + sheet.pairs.length + " labelled";
}

function entry() {
  return filled.get(sheet.pairs[place].pair) || { stance: "", note: "" };
}

function change(part) {
  filled.set(sheet.pairs[place].pair, Object.assign({}, entry(), part));
  keep();
}

function labelled() {
  return [...filled.values()].filter((one) => one.stance).length;
}

// The next pair without a stance after `from`, round to the first; -1 if every pair has one.
function nextOpen(from) {
  const pairs = sheet.pairs.map((_, step) => (from + 1 + step) % sheet.pairs.length);
  const found = pairs.find((at) => !(filled.get(sheet.pairs[at].pair) || {}).stance);
  return found === undefined ? -1 : found;
}

function show() {
  const pair = sheet.pairs[place];
  byId("place").textContent = "Pair " + pair.pair + " of " + sheet.pairs.length;
  for (const name of ["question", "answer", "target"]) byId(name).textContent = pair[name];
  byId("answer").scrollTop = 0;
  for (const radio of radios) radio.checked = radio.value === entry().stance;
  byId("note").value = entry().note;
  byId("back").disabled = place === 0;
  byId("next").disabled = place === sheet.pairs.length - 1;
}

function go(to) {
  if (to < 0 || to >= sheet.pairs.length) return;
  place = to;
  show();
  byId("place").focus();
}

function choose(stance) {
  change({ stance });
  if (place < sheet.pairs.length - 1) go(place + 1);
  else show();
}

// As spreadsheet_cell does: a note must not become a formula.
const plainCell = (text) => (/^(\s*[=+\-@＝＋－＠]|[\t\r\n])/.test(text) ? "'" + text : text);
const quoted = (text) => '"' + plainCell(text).replaceAll('"', '""') + '"';

function csv() {
  const rows = sheet.pairs.map((pair) => {
    const { stance, note } = filled.get(pair.pair) || { stance: "", note: "" };
    return [sheet.sheet, String(pair.pair), stance, note].map(quoted).join(",");
  });
  return "\ufeff" + ["sheet,pair,human_stance,note", ...rows].join("\n") + "\n";
}

function save() {
  const link = byId("save");
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
}

function pressed(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target === byId("note")) return;
  const radio = radios[Number(event.key) - 1];
  const arrow = { ArrowLeft: place - 1, ArrowRight: place + 1 }[event.key];
  if (radio) choose(radio.value);
  else if (event.key === "u" && nextOpen(place) >= 0) go(nextOpen(place));
  else if (arrow !== undefined && !radios.includes(event.target)) go(arrow);
  else return;
  event.preventDefault();
}

for (const radio of radios) radio.addEventListener("change", () => change({ stance: radio.value }));
byId("note").addEventListener("input", () => change({ note: byId("note").value }));
byId("back").addEventListener("click", () => go(place - 1));
byId("next").addEventListener("click", () => go(place + 1));
byId("open").addEventListener("click", () => go(nextOpen(place)));
byId("save").addEventListener("click", save);
document.addEventListener("keydown", pressed);
keep();
show();
