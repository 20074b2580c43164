// A line chart of one or more segments side by side: bands, lines, and points that mouse and arrow keys reach.

import { drawBrackets } from "./brackets.js";
import { followKeys, followMouse } from "./chart_input.js";
import { element } from "./dom.js";
import { axes, drawn, frame } from "./plot.js";

const SHAPES = {
  support: "M-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0-8.4 0",
  neutral: "M-3.7-3.7h7.4v7.4h-7.4z",
  oppose: "M0-4.8L4.8 3.8L-4.8 3.8z",
};
const MOST_MARKS = 12;

const path = (steps, values, at) =>
  steps.map((step, i) => `${(i ? "L" : "M") + at.x(step).toFixed(1)} ${at.y(values[i]).toFixed(1)}`).join("");

const look = (kind, line) => `${kind} ${line.name}${line.isPale ? " pale" : ""}`;

function band({ steps, at }, line) {
  const back = path([...steps].reverse(), [...line.high].reverse(), at).replace("M", "L");
  return drawn("path", { class: look("band", line), d: `${path(steps, line.low, at) + back}Z` });
}

function point({ steps, at }, line, i, label) {
  const stride = Math.ceil(steps.length / MOST_MARKS);
  const isMarked = i % stride === 0 || i === steps.length - 1;
  const place = `translate(${at.x(steps[i]).toFixed(1)} ${at.y(line.values[i]).toFixed(1)})`;
  return drawn("path", {
    class: look("point", line),
    d: SHAPES[line.name],
    transform: isMarked ? place : `${place} scale(.45)`,
    role: "button",
    tabindex: -1,
    "aria-label": label,
  });
}

// segments: {steps, scale: what a step counts as, heading, xTitle, lines: {name, values, low, high, isPale, bracket}};
// low, high: of the y axis; label: of the whole; tell(segment, line, i): text of a point; pick(segment, line, i): what
// choosing a point does, if anything; width, height, brackets (whether they are drawn): of the chart
export function lineChart({ segments, low, high, yTitle, label, tell, pick, ...size }) {
  const plot = frame(segments, { low, high, ...size });
  const viewBox = `0 0 ${plot.width} ${plot.height}`;
  const svg = drawn("svg", { class: "chart", viewBox, "aria-label": label, role: pick ? "group" : "img" });
  const readout = element("p", "readout", "\u00a0");
  axes(svg, plot, yTitle);
  for (const segment of plot.segments) {
    for (const line of segment.lines.filter((line) => line.low)) svg.append(band(segment, line));
    for (const line of segment.lines) {
      svg.append(drawn("path", { class: look("line", line), d: path(segment.steps, line.values, segment.at) }));
    }
    if (plot.brackets) drawBrackets(svg, segment);
  }
  // Rows of points by line, through all segments.
  const rows = segments[0].lines.map((_, line) =>
    plot.segments.flatMap((segment, place) =>
      segment.steps.map((step, i) => ({
        x: segment.at.x(step),
        y: segment.at.y(segment.lines[line].values[i]),
        text: tell(place, line, i),
        pick: () => pick(place, line, i),
        shape: pick && svg.appendChild(point(segment, segment.lines[line], i, tell(place, line, i))),
      })),
    ),
  );
  followMouse(svg, readout, rows);
  if (pick) followKeys(svg, readout, rows);
  return [svg, readout];
}
