// What the mouse and the arrow keys do in a line chart.

function nearest(svg, event, { steps, lines, at }) {
  const matrix = svg.getScreenCTM().inverse();
  const mouse = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
  const best = { distance: Infinity, line: 0, i: 0 };
  for (const [place, line] of lines.entries()) {
    for (const [i, step] of steps.entries()) {
      const distance = Math.hypot(at.x(step) - mouse.x, at.y(line.values[i]) - mouse.y);
      if (distance < best.distance) Object.assign(best, { distance, line: place, i });
    }
  }
  return best;
}

export function followMouse(svg, readout, chart) {
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
export function followKeys(svg, readout, { steps, lines, points, tell, pick }) {
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
  for (const [line, row] of points.entries()) {
    for (const [i, made] of row.entries()) {
      made.addEventListener("focus", () => {
        points[place.line][place.i].setAttribute("tabindex", -1);
        Object.assign(place, { line, i });
        made.setAttribute("tabindex", 0);
        readout.textContent = tell(lines[line], i);
      });
    }
  }
}
