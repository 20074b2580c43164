// Pieces of data are scripts of one call, receive(name, data): a page opened from a disk may load scripts, but not fetch files.

const pieces = new Map();

globalThis.receive = (name, data) => pieces.get(name).resolve(data);

export function load(name) {
  if (!pieces.has(name)) {
    const piece = {};
    piece.data = new Promise((resolve, reject) => Object.assign(piece, { resolve, reject }));
    pieces.set(name, piece);
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => piece.reject(new Error(`data/${name}.js can't be read`)));
    document.head.append(script);
  }
  return pieces.get(name).data;
}
