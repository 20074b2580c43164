// Tables as text to paste elsewhere. A table is an array of rows of strings, the first of which has the titles.

const MISSING = "—";
const TEX = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  "−": "$-$",
  "→": "$\\rightarrow$",
  η: "$\\eta$",
  τ: "$\\tau$",
  "≠": "$\\neq$",
  "●": "$\\bullet$",
  "○": "$\\circ$",
  [MISSING]: "---",
};

function csvCell(text) {
  // A minus sign that programs read, and an apostrophe before what a spreadsheet would take for a formula.
  const plain = text.replace(/−(?=\d)/g, "-").replace(/^(?=[=@\t]|[+-](?![\d.]))/, "'");
  return /[",\n\r]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

const markdownCell = (text) => text.replace(/[\\|`*_~<>[\]]/g, "\\$&").replace(/\s+/g, " ");
const latexCell = (text) =>
  text.replace(/[\\{}$&#_%~^<>|−→ητ≠●○—]/g, (character) => TEX[character] ?? `\\${character}`);

const isNumber = (text) => text === "" || text === MISSING || /^(< )?[+−-]?[.\d]/.test(text);

export const FORMATS = {
  CSV: (rows) => rows.map((row) => row.map(csvCell).join(",")).join("\r\n"),
  Markdown([titles, ...rows]) {
    const line = (cells) => `| ${cells.join(" | ")} |`;
    const rule = titles.map((_, place) => (rows.every((row) => isNumber(row[place])) ? "---:" : "---"));
    return [titles.map(markdownCell), rule, ...rows.map((row) => row.map(markdownCell))].map(line).join("\n");
  },
  LaTeX([titles, ...rows]) {
    const columns = titles.map((_, place) => (rows.every((row) => isNumber(row[place])) ? "r" : "l")).join("");
    const line = (cells) => `${cells.map(latexCell).join(" & ")} \\\\`;
    const body = ["\\toprule", line(titles), "\\midrule", ...rows.map(line), "\\bottomrule"];
    return [`\\begin{tabular}{${columns}}`, ...body, "\\end{tabular}"].join("\n");
  },
};

function seenText(cell) {
  const isHidden = !cell.checkVisibility(); // in a closed part of the page, nothing is visible
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const { parentElement, data } = walker.currentNode;
    if (isHidden || parentElement.checkVisibility()) found.push(data);
  }
  return found.join(" ").replace(/\s+/g, " ").trim();
}

// The cells of a table of the page; a title over several columns is part of the title of each.
export function rowsOf(table) {
  const spread = (row, isHead) =>
    [...row.cells].flatMap((cell) => {
      const text = seenText(cell);
      return [text, ...Array(cell.colSpan - 1).fill(isHead ? text : "")];
    });
  const head = [...(table.tHead?.rows ?? [])].map((row) => spread(row, true));
  const titles =
    head.at(-1)?.map((_, place) =>
      head
        .map((row) => row[place])
        .filter(Boolean)
        .join(" / "),
    ) ?? [];
  const body = [...table.tBodies, table.tFoot].filter(Boolean).flatMap((part) => [...part.rows]);
  return [titles, ...body.map((row) => spread(row, false))];
}
