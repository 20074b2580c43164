// Which answers are shown: filtered, one checkpoint beside another, ordered.

import { LABELS, likeliest } from "./answer_texts.js";
import { ALL_TOPICS } from "./index.js";
import { byQuestion, differences } from "./paired.js";

export const ANY = -1;
const UNSURE = 600; // thousandths: the judge is unsure of an answer whose likeliest stance is less probable

// Values that the address keeps: an answer of label a that was judged b is "a-as-b".
const ONLY = {
  wrong: (piece, i) => piece.label[i] !== null && piece.shares[0][i] !== null && piece.label[i] !== likeliest(piece, i),
  labelled: (piece, i) => piece.label[i] !== null,
  unsure: (piece, i) => piece.shares[0][i] !== null && Math.max(...piece.shares.map((column) => column[i])) < UNSURE,
  refusals: (piece, i) => piece.refusal[i] === 1,
  unhealthy: (piece, i) => piece.unhealthy[i] === 1,
};

export function onlyOptions(stances, hasLabels) {
  const cells = LABELS.flatMap((label) =>
    stances.map((stance) => [`${label}-as-${stance}`, `label ${label}, judged ${stance}`]),
  );
  return [
    ["any", "any"],
    ["unsure", `likeliest stance below ${UNSURE / 1000}`],
    ["refusals", "refusals"],
    ["unhealthy", "unhealthy"],
    ...(hasLabels ? [["wrong", "judge ≠ label"], ["labelled", "with a label"], ...cells] : []),
  ];
}

function onlyOf(name) {
  if (name === "any") return () => true;
  if (ONLY[name]) return ({ piece, i }) => ONLY[name](piece, i);
  const [label, judged] = name.split("-as-").map((stance) => LABELS.indexOf(stance));
  return ({ piece, i }) => piece.label[i] === label && likeliest(piece, i) === judged;
}

function lowered(piece) {
  piece.lowered ??= piece.text.map((text) => text.toLowerCase());
  return piece.lowered;
}

export function filterOf(questions, { topic, question, stance, only, search }) {
  const words = search.trim().toLowerCase();
  questions.lowered ??= questions.text.map((text) => text.toLowerCase());
  const isOnly = onlyOf(only);
  return {
    question: (asked) =>
      (topic === ALL_TOPICS || questions.topic[asked] === topic) && (question === ANY || asked === question),
    answer: ({ piece, i }) =>
      (stance === ANY || likeliest(piece, i) === stance) &&
      isOnly({ piece, i }) &&
      (words === "" || questions.lowered[piece.question[i]].includes(words) || lowered(piece)[i].includes(words)),
  };
}

export function singles(points, filter) {
  const found = [];
  for (const point of points) {
    for (let i = 0; i < point.piece.text.length; i += 1) {
      const answer = { ...point, i };
      if (filter.question(point.piece.question[i]) && filter.answer(answer)) found.push(answer);
    }
  }
  return found;
}

// The questions that both checkpoints answer, with an answer that fits.
export function compared(left, right, filter) {
  return byQuestion(left, right).filter(
    ({ question, before, after }) =>
      filter.question(question) && [...before.answers, ...after.answers].some(filter.answer),
  );
}

function sizeOf(match, order) {
  if (match.before)
    return order === "change" ? Math.max(...differences(match).map(Math.abs)) : match.after.shares[Number(order)];
  return match.piece.shares[Number(order)][match.i] ?? -1;
}

// order: "" as asked, "change", or the place of a stance
export function ordered(found, order) {
  if (order === "") return found;
  return found
    .map((match) => [sizeOf(match, order), match])
    .sort((a, b) => b[0] - a[0])
    .map(([, match]) => match);
}
