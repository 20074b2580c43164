// Which answers are shown: filtered, one checkpoint beside another, ordered.

import { ALL_TOPICS } from "./index.js";

export const ANY = -1;
export const UNJUDGED = 3;

function likeliest(piece, i) {
  const shares = piece.shares.map((column) => column[i]);
  return shares.includes(null) ? UNJUDGED : shares.indexOf(Math.max(...shares));
}

function lowered(piece) {
  piece.lowered ??= piece.text.map((text) => text.toLowerCase());
  return piece.lowered;
}

export function filterOf(questions, topic, stance, search) {
  const words = search.trim().toLowerCase();
  questions.lowered ??= questions.text.map((text) => text.toLowerCase());
  return {
    topic: (question) => topic === ALL_TOPICS || questions.topic[question] === topic,
    text: ({ piece, i }) =>
      words === "" || questions.lowered[piece.question[i]].includes(words) || lowered(piece)[i].includes(words),
    stance: ({ piece, i }) => stance === ANY || likeliest(piece, i) === stance,
  };
}

export function singles(points, filter) {
  const found = [];
  for (const point of points) {
    for (let i = 0; i < point.piece.text.length; i += 1) {
      const answer = { ...point, i };
      if (filter.topic(point.piece.question[i]) && filter.stance(answer) && filter.text(answer)) found.push([answer]);
    }
  }
  return found;
}

export function pairs(left, right, filter) {
  const places = new Map(right.piece.question.map((question, i) => [`${question}/${right.piece.sample[i]}`, i]));
  return left.piece.question.flatMap((question, i) => {
    const match = places.get(`${question}/${left.piece.sample[i]}`);
    if (match === undefined || !filter.topic(question)) return [];
    const both = [
      { ...left, i },
      { ...right, i: match },
    ];
    return both.some(filter.text) && both.some(filter.stance) ? [both] : [];
  });
}

function change([before, after]) {
  const moves = before.piece.shares.map((column, place) =>
    Math.abs(after.piece.shares[place][after.i] - column[before.i]),
  );
  return Math.max(...moves);
}

// order: "" as asked, "change", or the place of a stance
export function ordered(found, order) {
  if (order === "") return found;
  const size =
    order === "change" ? change : (answers) => answers.at(-1).piece.shares[Number(order)][answers.at(-1).i] ?? -1;
  return found
    .map((answers) => [size(answers), answers])
    .sort((a, b) => b[0] - a[0])
    .map(([, answers]) => answers);
}
