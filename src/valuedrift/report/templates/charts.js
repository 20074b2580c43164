"use strict";

// One line chart, as SVG: axes, bands, lines, and points that mouse and arrow keys reach.

const PLOT = { width: 340, height: 212, left: 44, right: 12, top: 10, bottom: 38 };
const SHAPES = {
  support: "M-4.2 0a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0-8.4 0",
  neutral: "M-3.7-3.7h7.4v7.4h-7.4z",
  oppose: "M0-4.8L4.8 3.8L-4.8 3.8z",
};
const MOST_MARKS = 12;

function drawn(name, attributes, text) {
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

function scales(steps, low, high) {
  const { width, height, left, right, top, bottom } = PLOT;
  const [first, last] = [steps[0], steps[steps.length - 1]];
  const tall = high - low || 1;
  return {
    x: (step) => left + ((step - first) / (last - first || 1)) * (width - left - right),
    y: (value) => top + ((high - value) / tall) * (height - top - bottom),
  };
}

function axes(svg, at, { steps, low, high, xTitle, yTitle }) {
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

const path = (steps, values, at) =>
  steps.map((step, i) => (i ? "L" : "M") + at.x(step).toFixed(1) + " " + at.y(values[i]).toFixed(1)).join("");

function band(steps, line, at) {
  const back = path([...steps].reverse(), [...line.high].reverse(), at).replace("M", "L");
  return drawn("path", { class: "band " + line.name, d: path(steps, line.low, at) + back + "Z" });
}

function point(line, i, steps, at, label) {
  const stride = Math.ceil(steps.length / MOST_MARKS);
  const isMarked = i % stride === 0 || i === steps.length - 1;
  const place = `translate(${at.x(steps[i]).toFixed(1)} ${at.y(line.values[i]).toFixed(1)})`;
  return drawn("path", {
    class: "point " + line.name,
    d: SHAPES[line.name],
    transform: isMarked ? place : place + " scale(.45)",
    role: "button",
    tabindex: -1,
    "aria-label": label,
  });
}

// steps; low, high: of the y axis; xTitle, yTitle: titles of the axes; label: of the whole; lines: {name, values, low, high}; tell(line, i): text of
// a point; pick(line, i): what choosing a point does, if anything
function lineChart({ steps, low, high, xTitle = "Training step", yTitle, label, lines, tell, pick }) {
  const svg = drawn("svg", { class: "chart", viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, "aria-label": label });
  const readout = element("p", "readout", "\u00a0");
  const at = scales(steps, low, high);
  svg.setAttribute("role", pick ? "group" : "img");
  axes(svg, at, { steps, low, high, xTitle, yTitle });
  for (const line of lines.filter((line) => line.low)) svg.append(band(steps, line, at));
  for (const line of lines) svg.append(drawn("path", { class: "line " + line.name, d: path(steps, line.values, at) }));
  const points = lines.map((line) =>
    pick ? steps.map((step, i) => svg.appendChild(point(line, i, steps, at, tell(line, i)))) : [],
  );
  followMouse(svg, readout, { steps, lines, at, points, tell, pick });
  if (pick) followKeys(svg, readout, { steps, lines, points, tell, pick });
  return [svg, readout];
}

function nearest(svg, event, { steps, lines, at }) {
  const matrix = svg.getScreenCTM().inverse();
  const mouse = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
  const best = { distance: Infinity, line: 0, i: 0 };
  lines.forEach((line, place) =>
    steps.forEach((step, i) => {
      const distance = Math.hypot(at.x(step) - mouse.x, at.y(line.values[i]) - mouse.y);
      if (distance < best.distance) Object.assign(best, { distance, line: place, i });
    }),
  );
  return best;
}

function followMouse(svg, readout, chart) {
  const leave = () => {
    for (const near of svg.querySelectorAll(".near")) near.classList.remove("near");
    readout.textContent = "\u00a0";
  };
  svg.addEventListener("pointermove", (event) => {
    leave();
    const { line, i } = nearest(svg, event, chart);
    chart.points[line][i]?.classList.add("near");
    readout.textContent = chart.tell(chart.lines[line], i);
  });
  svg.addEventListener("pointerleave", leave);
  if (!chart.pick) return;
  svg.addEventListener("click", (event) => {
    const { line, i } = nearest(svg, event, chart);
    chart.points[line][i].focus({ preventScroll: true });
    chart.pick(chart.lines[line], i);
  });
}

// One stop of the Tab key for each chart; arrows go on from there, between steps and between lines.
function followKeys(svg, readout, { steps, lines, points, tell, pick }) {
  const place = { line: 0, i: steps.length - 1 };
  const last = steps.length - 1;
  const moves = {
    ArrowLeft: () => [place.line, Math.max(0, place.i - 1)],
    ArrowRight: () => [place.line, Math.min(last, place.i + 1)],
    ArrowUp: () => [(place.line + lines.length - 1) % lines.length, place.i],
    ArrowDown: () => [(place.line + 1) % lines.length, place.i],
    Home: () => [place.line, 0],
    End: () => [place.line, last],
  };
  points[0][last].setAttribute("tabindex", 0);
  svg.addEventListener("keydown", (event) => {
    const isPick = event.key === "Enter" || event.key === " ";
    if (!(isPick || moves[event.key]) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (isPick) return pick(lines[place.line], place.i);
    const [line, i] = moves[event.key]();
    points[line][i].focus(); // its listener below takes the place over
  });
  points.forEach((row, line) =>
    row.forEach((made, i) =>
      made.addEventListener("focus", () => {
        points[place.line][place.i].setAttribute("tabindex", -1);
        Object.assign(place, { line, i });
        made.setAttribute("tabindex", 0);
        readout.textContent = tell(lines[line], i);
      }),
    ),
  );
}
