// One line chart: bands, lines, and points that mouse and arrow keys reach.

import { followKeys, followMouse } from "./chart_input.js";
import { element } from "./dom.js";
import { axes, drawn, PLOT, scales } from "./plot.js";

const SHAPES = {
  support: "M-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0-8.4 0",
  neutral: "M-3.7-3.7h7.4v7.4h-7.4z",
  oppose: "M0-4.8L4.8 3.8L-4.8 3.8z",
};
const MOST_MARKS = 12;

const path = (steps, values, at) =>
  steps.map((step, i) => `${(i ? "L" : "M") + at.x(step).toFixed(1)} ${at.y(values[i]).toFixed(1)}`).join("");

function band(steps, line, at) {
  const back = path([...steps].reverse(), [...line.high].reverse(), at).replace("M", "L");
  return drawn("path", { class: `band ${line.name}`, d: `${path(steps, line.low, at) + back}Z` });
}

function point(line, i, steps, at, label) {
  const stride = Math.ceil(steps.length / MOST_MARKS);
  const isMarked = i % stride === 0 || i === steps.length - 1;
  const place = `translate(${at.x(steps[i]).toFixed(1)} ${at.y(line.values[i]).toFixed(1)})`;
  return drawn("path", {
    class: `point ${line.name}`,
    d: SHAPES[line.name],
    transform: isMarked ? place : `${place} scale(.45)`,
    role: "button",
    tabindex: -1,
    "aria-label": label,
  });
}

// steps; low, high: of the y axis; xTitle, yTitle: titles of the axes; label: of the whole; lines: {name, values, low,
// high}; tell(line, i): text of a point; pick(line, i): what choosing a point does, if anything
export function lineChart({ steps, low, high, xTitle = "Training step", yTitle, label, lines, tell, pick }) {
  const svg = drawn("svg", { class: "chart", viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, "aria-label": label });
  const readout = element("p", "readout", "\u00a0");
  const at = scales(steps, low, high);
  svg.setAttribute("role", pick ? "group" : "img");
  axes(svg, at, { steps, low, high, xTitle, yTitle });
  for (const line of lines.filter((line) => line.low)) svg.append(band(steps, line, at));
  for (const line of lines) svg.append(drawn("path", { class: `line ${line.name}`, d: path(steps, line.values, at) }));
  const points = lines.map((line) =>
    pick ? steps.map((_step, i) => svg.appendChild(point(line, i, steps, at, tell(line, i)))) : [],
  );
  followMouse(svg, readout, { steps, lines, at, points, tell, pick });
  if (pick) followKeys(svg, readout, { steps, lines, points, tell, pick });
  return [svg, readout];
}
