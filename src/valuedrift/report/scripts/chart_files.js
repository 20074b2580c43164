// A chart of the page as a file of its own.

const ASPECTS = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "display"],
  ...["visibility", "paint-order", "font-family", "font-size", "font-weight", "text-anchor"],
];
const DENSITY = 4; // pixels of a PNG file per unit of the chart

function standalone(svg) {
  const copy = svg.cloneNode(true);
  const copies = [copy, ...copy.querySelectorAll("*")];
  for (const [place, one] of [svg, ...svg.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(one);
    for (const name of ["class", "role", "tabindex", "style"]) copies[place].removeAttribute(name);
    for (const name of ASPECTS) copies[place].setAttribute(name, style.getPropertyValue(name));
  }
  const { x, y, width, height } = svg.viewBox.baseVal;
  const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const fill = getComputedStyle(document.body).backgroundColor;
  for (const [name, value] of Object.entries({ x, y, width, height, fill })) paper.setAttribute(name, value);
  copy.prepend(paper);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

export async function picture(svg, kind) {
  const { text, width, height } = standalone(svg);
  const file = new Blob([text], { type: "image/svg+xml" });
  if (kind === "svg") return file;
  const image = new Image();
  image.src = URL.createObjectURL(file);
  await image.decode();
  URL.revokeObjectURL(image.src);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: width * DENSITY, height: height * DENSITY });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name.replace(/[^\w.]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
