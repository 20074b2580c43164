// What the mouse and the arrow keys do in a chart. rows: of points {x, y, text, pick(), shape}, one row per line.

function nearest(svg, event, rows) {
  const matrix = svg.getScreenCTM().inverse();
  const mouse = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
  const distance = ({ x, y }) => Math.hypot(x - mouse.x, y - mouse.y);
  return rows.flat().reduce((best, point) => (distance(point) < distance(best) ? point : best));
}

export function followMouse(svg, readout, rows) {
  const leave = () => {
    for (const near of svg.querySelectorAll(".near")) near.classList.remove("near");
    readout.textContent = "\u00a0";
  };
  svg.addEventListener("pointermove", (event) => {
    leave();
    const { shape, text } = nearest(svg, event, rows);
    shape?.classList.add("near");
    readout.textContent = text;
  });
  svg.addEventListener("pointerleave", leave);
  svg.addEventListener("click", (event) => {
    const { shape, pick } = nearest(svg, event, rows);
    if (!shape) return;
    shape.focus({ preventScroll: true });
    pick();
  });
}

// One stop of the Tab key for each chart; arrows go on from there, between steps and between lines.
export function followKeys(svg, readout, rows) {
  const last = rows[0].length - 1;
  const shapes = rows.map((row) => row.map(({ shape }) => shape));
  const tell = ({ row, column }) => {
    readout.textContent = rows[row][column].text;
  };
  roving(svg, shapes, { row: 0, column: last }, { tell });
  for (const { shape, pick } of rows.flat()) {
    shape.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick();
    });
  }
}

// Make rows of elements one stop of the Tab key, in which the arrow keys move, until a signal ends it. tell is told the
// place of the focus.
export function roving(parent, rows, start, { tell, signal } = {}) {
  const place = { ...start };
  const { length } = rows;
  const last = rows[0].length - 1;
  const moves = {
    ArrowLeft: () => [place.row, Math.max(0, place.column - 1)],
    ArrowRight: () => [place.row, Math.min(last, place.column + 1)],
    ArrowUp: () => [(place.row + length - 1) % length, place.column],
    ArrowDown: () => [(place.row + 1) % length, place.column],
    Home: () => [place.row, 0],
    End: () => [place.row, last],
  };
  rows[place.row][place.column].setAttribute("tabindex", 0);
  const move = (event) => {
    if (!moves[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const [row, column] = moves[event.key]();
    rows[row].at(Math.min(column, rows[row].length - 1)).focus(); // its listener below takes the place over
  };
  parent.addEventListener("keydown", move, { signal });
  for (const [row, elements] of rows.entries()) {
    for (const [column, made] of elements.entries()) {
      const take = () => {
        rows[place.row][place.column].setAttribute("tabindex", -1);
        Object.assign(place, { row, column });
        made.setAttribute("tabindex", 0);
        tell?.(place);
      };
      made.addEventListener("focus", take, { signal });
    }
  }
}
