// One stance's mean probability of each question before and after, joined by lines.

import { byId, element } from "./dom.js";
import { drawn } from "./plot.js";

const PLOT = { width: 340, height: 212, left: 44, right: 12, top: 10, bottom: 38 };
const MOST_LINES = 400;
const FEW_LINES = 60;

function choose(question) {
  byId("answers-question").value = question;
  byId("answers-question").dispatchEvent(new Event("change", { bubbles: true }));
}

export function slopes(stance, place, questions, rows) {
  const label = `${stance} before and after, one line per question`;
  const svg = drawn("svg", {
    class: "chart slopes",
    viewBox: `0 0 ${PLOT.width} ${PLOT.height}`,
    role: "img",
    "aria-label": label,
  });
  const { left, right, top, bottom, width, height } = PLOT;
  const ends = [left + 60, width - right - 60];
  const y = (share) => top + (1 - share) * (height - top - bottom);
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(share), y2: y(share) }));
    svg.append(drawn("text", { class: "tick", x: left - 6, y: y(share) + 4, "text-anchor": "end" }, String(share)));
  }
  for (const [end, name] of ["before", "after"].entries()) {
    svg.append(drawn("text", { class: "tick", x: ends[end], y: height - bottom + 16, "text-anchor": "middle" }, name));
  }
  for (const { question, before, after } of rows.slice(0, MOST_LINES)) {
    const [from, to] = [before.shares[place], after.shares[place]];
    const line = drawn("path", {
      class: `slope ${stance}${rows.length > FEW_LINES ? " faint" : ""}`,
      d: `M${ends[0]} ${y(from).toFixed(1)}L${ends[1]} ${y(to).toFixed(1)}`,
    });
    line.append(drawn("title", {}, `${questions.text[question]} ${from.toFixed(2)} → ${to.toFixed(2)}`));
    line.addEventListener("click", () => choose(question));
    svg.append(line);
  }
  const mean = (side) => rows.reduce((sum, row) => sum + row[side].shares[place], 0) / rows.length;
  const [from, to] = [mean("before"), mean("after")];
  svg.append(
    drawn("path", { class: `line ${stance}`, d: `M${ends[0]} ${y(from).toFixed(1)}L${ends[1]} ${y(to).toFixed(1)}` }),
  );
  const most =
    rows.length > MOST_LINES
      ? ` (the first ${MOST_LINES} of ${rows.length} questions; thick: mean of all)`
      : " (thick: mean)";
  return element(
    "figure",
    "",
    element("figcaption", "", stance, element("small", "", `one line per question${most}`)),
    svg,
  );
}
