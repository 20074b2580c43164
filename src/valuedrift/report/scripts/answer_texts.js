// An answer's text, and the judged probabilities of its stances.

import { element } from "./dom.js";
import { number } from "./numbers.js";

export const LONGEST = 1500;
export const UNJUDGED = 3;
export const LABELS = ["support", "neutral", "oppose", "none"];

export function likeliest(piece, i) {
  const shares = piece.shares.map((column) => column[i]);
  return shares.includes(null) ? UNJUDGED : shares.indexOf(Math.max(...shares));
}

// What else is known about an answer: its label beside the judgement, and what is wrong with it.
export function verdictNotes(stances, piece, i) {
  const outside = piece.unassigned[i];
  const label = piece.label[i];
  const judged = likeliest(piece, i);
  return [
    label === null ? "" : `label: ${LABELS[label]}, judged: ${judged === UNJUDGED ? "not judged" : stances[judged]}`,
    piece.refusal[i] ? "a refusal" : "",
    piece.unhealthy[i] ? "unhealthy" : "",
    outside ? `outside the labels: ${(outside / 1000).toFixed(3)}` : "",
    piece.flag[i] ? `no stance: ${piece.flag[i].replace("_", " ")}` : "",
  ].filter(Boolean);
}

export function quote(text) {
  const made = element("blockquote", "", text.slice(0, LONGEST));
  if (text.length <= LONGEST) return [made];
  const more = element("button", "more", `Show all ${number(text.length)} characters`);
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
export function bars(stances, shares) {
  if (shares.includes(null)) return element("p", "note", "not judged");
  const list = element("ul", "bars");
  stances.forEach((stance, place) => {
    const part = element("span", `part ${stance}`);
    part.style.width = `${shares[place] / 10}%`;
    const share = element("span", "share", (shares[place] / 1000).toFixed(2));
    list.append(element("li", "", element("span", "name", stance), element("span", "bar", part), share));
  });
  return list;
}
