"use strict";

// What every part of the page uses. Texts of models and data sets are set as textContent only, never as HTML.

const byId = (id) => document.getElementById(id);

function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content); // strings become text nodes
  return made;
}

function fill(select, titles, chosen) {
  select.replaceChildren(...titles.map(([value, title]) => new Option(title, value)));
  if (chosen !== undefined) select.value = chosen;
  select.closest(".field").hidden = select.dataset.shy === "" && titles.length < 2;
}

// Pieces are scripts of one call, receive(name, data): a page on a disk may load scripts, but not fetch files.

const pieces = new Map();

function receive(name, data) {
  pieces.get(name).resolve(data);
}

function load(name) {
  if (!pieces.has(name)) {
    const piece = {};
    piece.data = new Promise((resolve, reject) => Object.assign(piece, { resolve, reject }));
    pieces.set(name, piece);
    const script = document.createElement("script");
    script.src = "data/" + name + ".js";
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => piece.reject(new Error("data/" + name + ".js can't be read")));
    document.head.append(script);
  }
  return pieces.get(name).data;
}

function complain(place, error) {
  place.replaceChildren(element("p", "none", "Not shown: " + error.message + "."));
}

const number = (value) => value.toLocaleString("en");
const short = (value) => (value < 1e6 ? number(value) : value.toLocaleString("en", { notation: "compact" }));

// Texts

const LONGEST = 1500;

function quote(text) {
  const made = element("blockquote", "", text.slice(0, LONGEST));
  if (text.length <= LONGEST) return [made];
  const more = element("button", "more", "Show all " + number(text.length) + " characters");
  more.type = "button";
  more.addEventListener("click", () => {
    made.textContent = text;
    made.tabIndex = 0;
    made.focus();
    more.remove();
  });
  return [made, more];
}

// shares: thousandths by stance, null where there was no judgement
function bars(stances, shares) {
  if (shares.includes(null)) return element("p", "note", "not judged");
  const list = element("ul", "bars");
  stances.forEach((stance, place) => {
    const part = element("span", "part " + stance);
    part.style.width = shares[place] / 10 + "%";
    const share = element("span", "share", (shares[place] / 1000).toFixed(2));
    list.append(element("li", "", element("span", "name", stance), element("span", "bar", part), share));
  });
  return list;
}
