// The frame of a line chart: scales and axes, as SVG.

import { short } from "./numbers.js";

const MARGIN = { left: 44, right: 12, top: 10, bottom: 38 };
const HEADING = 18;
const GAP = 22;
const NARROW = 90;
const LEAST_SHARE = 0.3; // of a segment's width, so that short stages can be read
export const ROW = 11;

export function drawn(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function ticks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) found.push(at * step);
  return found;
}

// Each segment's share of the width: by its steps, but not less than LEAST_SHARE of an even share.
function shares(segments) {
  const lengths = segments.map(({ steps }) => steps.at(-1) - steps[0] || 1);
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const wide = lengths.map((length) => Math.max(length / all, LEAST_SHARE));
  const sum = wide.reduce((total, share) => total + share, 0);
  return wide.map((share) => share / sum);
}

// The chart's size and its segments with their places: {...segment, at: {x, y}, x: [left, right], top, bottom}
export function frame(segments, { low, high, width = 340, height = 212, brackets = false }) {
  const upper = MARGIN.top + (brackets ? HEADING : 0);
  const top = upper + (brackets ? ROW * segments[0].lines.length + 6 : 0);
  const bottom = height - MARGIN.bottom;
  const room = width - MARGIN.left - MARGIN.right - GAP * (segments.length - 1);
  const y = (value) => top + ((high - value) / (high - low || 1)) * (bottom - top);
  let left = MARGIN.left;
  const placed = shares(segments).map((share, place) => {
    const { steps } = segments[place];
    const [start, first, span] = [left, steps[0], steps.at(-1) - steps[0] || 1];
    left += share * room + GAP;
    const x = (step) => start + ((step - first) / span) * share * room;
    return { ...segments[place], at: { x, y }, x: [start, start + share * room], top: upper };
  });
  return { width, height, low, high, top, bottom, brackets, segments: placed };
}

export function axes(svg, { height, low, high, top, bottom, segments }, yTitle) {
  const { y } = segments[0].at;
  for (const value of ticks(low, high, 5)) {
    for (const { x } of segments)
      svg.append(drawn("line", { class: "grid", x1: x[0], x2: x[1], y1: y(value), y2: y(value) }));
    const text = Number(value.toPrecision(6)).toString().replaceAll("-", "−");
    svg.append(drawn("text", { class: "tick", x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, text));
  }
  for (const { at, x, steps, scale = 1, heading, xTitle = "Training step", top: upper } of segments) {
    const most = Math.max(1, Math.min(4, Math.floor((x[1] - x[0]) / 60)));
    const marks = ticks(steps[0] * scale, steps.at(-1) * scale, most);
    for (const mark of marks.filter((one) => scale !== 1 || Number.isInteger(one))) {
      const place = at.x(mark / scale);
      svg.append(drawn("line", { class: "frame", x1: place, x2: place, y1: bottom, y2: bottom + 4 }));
      const anchor = place > x[1] - 14 && x[1] - x[0] < NARROW ? "end" : "middle";
      svg.append(drawn("text", { class: "tick", x: place, y: bottom + 16, "text-anchor": anchor }, short(mark)));
    }
    svg.append(drawn("line", { class: "frame", x1: x[0], x2: x[1], y1: bottom, y2: bottom }));
    svg.append(
      drawn(
        "text",
        { class: "title", x: x[0], y: height - 5 },
        x[1] - x[0] < NARROW ? xTitle.split(" ").at(-1) : xTitle,
      ),
    );
    if (heading) svg.append(drawn("text", { class: "title heading", x: x[0], y: upper - 6 }, heading));
  }
  if (!yTitle) return;
  const place = `translate(11 ${(top + bottom) / 2}) rotate(-90)`;
  svg.append(drawn("text", { class: "title", transform: place, "text-anchor": "middle" }, yTitle));
}
