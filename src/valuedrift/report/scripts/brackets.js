// Brackets above a segment of a chart: between which steps each stance's drift reached its extremum.

import { drawn, ROW } from "./plot.js";

export function drawBrackets(svg, { at, lines, top, x }) {
  const middle = top + (ROW * lines.length) / 2 + 4;
  svg.append(drawn("text", { class: "tick", x: x[0] - 3, y: middle, "text-anchor": "end" }, "η"));
  for (const [row, { name, bracket, isPale }] of lines.entries()) {
    const y = top + ROW * (row + 0.5);
    svg.append(drawn("path", { class: "bracket-rail", d: `M${x[0]} ${y}H${x[1]}` }));
    if (!bracket || isPale) continue;
    const [from, to] = bracket.map(at.x);
    const d = `M${from} ${y - 4}v8M${from} ${y}H${to}M${to} ${y - 4}v8`;
    const shape = drawn("path", { class: `bracket ${name}`, d });
    shape.append(drawn("title", {}, `${name}: between steps ${bracket.join(" and ")}`));
    svg.append(shape);
  }
}
