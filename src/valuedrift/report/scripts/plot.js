// The frame of a line chart: scales and axes, as SVG.

import { short } from "./numbers.js";

export const PLOT = { width: 340, height: 212, left: 44, right: 12, top: 10, bottom: 38 };

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

export function scales(steps, low, high) {
  const { width, height, left, right, top, bottom } = PLOT;
  const [first, last] = [steps[0], steps[steps.length - 1]];
  const tall = high - low || 1;
  return {
    x: (step) => left + ((step - first) / (last - first || 1)) * (width - left - right),
    y: (value) => top + ((high - value) / tall) * (height - top - bottom),
  };
}

export function axes(svg, at, { steps, low, high, xTitle, yTitle }) {
  const { width, height, left, right, top, bottom } = PLOT;
  for (const value of ticks(low, high, 5)) {
    svg.append(drawn("line", { class: "grid", x1: left, x2: width - right, y1: at.y(value), y2: at.y(value) }));
    const text = Number(value.toPrecision(6)).toString().replaceAll("-", "−");
    svg.append(drawn("text", { class: "tick", x: left - 6, y: at.y(value) + 4, "text-anchor": "end" }, text));
  }
  for (const step of ticks(steps[0], steps[steps.length - 1], 4).filter(Number.isInteger)) {
    const x = at.x(step);
    svg.append(drawn("line", { class: "frame", x1: x, x2: x, y1: height - bottom, y2: height - bottom + 4 }));
    svg.append(drawn("text", { class: "tick", x, y: height - bottom + 16, "text-anchor": "middle" }, short(step)));
  }
  svg.append(drawn("line", { class: "frame", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  svg.append(drawn("text", { class: "title", x: left, y: height - 5 }, xTitle));
  if (!yTitle) return;
  const place = `translate(11 ${(top + height - bottom) / 2}) rotate(-90)`;
  svg.append(drawn("text", { class: "title", transform: place, "text-anchor": "middle" }, yTitle));
}
