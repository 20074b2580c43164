// Two checkpoints beside each other, question by question.

import { likeliest, quote, UNJUDGED, verdictNotes } from "./answer_texts.js";
import { element } from "./dom.js";
import { number } from "./numbers.js";
import { differences, pairedInterval } from "./paired.js";
import { recordTable } from "./record_table.js";
import { slopes } from "./slopes.js";

const signed = (value) => {
  const text = value.toFixed(2).replace("-", "−");
  return /[1-9]/.test(text) && value > 0 ? `+${text}` : text.replace(/^−(?=0\.00$)/, "");
};
const interval = ({ middle, low, high }) => `${signed(middle)} [${signed(low)}, ${signed(high)}]`;
const dot = (stance) => element("span", `dot ${stance}`);

function side(index, { at, title, answers }) {
  const name = at === 0 && title !== "Base model" ? `the start of ${title}` : `step ${number(at)} of ${title}`;
  const items = answers.map(({ piece, i }) => {
    const judged = likeliest(piece, i);
    const stance = judged === UNJUDGED ? [] : [dot(index.stances[judged])];
    const share =
      judged === UNJUDGED ? "not judged" : `${index.stances[judged]} ${(piece.shares[judged][i] / 1000).toFixed(2)}`;
    const notes = [share, ...verdictNotes(index.stances, piece, i)].join(" · ");
    return element("li", "", element("p", "note", ...stance, notes), ...quote(piece.text[i]));
  });
  return element("div", "answer", element("p", "when", name), element("ol", "given", ...items));
}

function moved(index, match) {
  const changes = differences(match);
  const parts = index.stances.map((stance, place) =>
    element(
      "span",
      "moved",
      dot(stance),
      `${stance} ${match.before.shares[place].toFixed(2)} → ${match.after.shares[place].toFixed(2)} (${signed(changes[place])})`,
    ),
  );
  return element("p", "note changes", ...parts);
}

export function questionRow(index, questions, match) {
  const sides = [match.before, match.after].map(({ answers }) => ({ ...answers[0], answers }));
  return element(
    "article",
    "sample",
    element("h3", "", questions.text[match.question]),
    element("p", "note", index.topics[questions.topic[match.question]]),
    moved(index, match),
    element("div", "pair", ...sides.map((one) => side(index, one))),
  );
}

function topicTable(index, { questions, rows }) {
  const topics = Map.groupBy(rows, ({ question }) => questions.topic[question]);
  const found = [...topics]
    .sort(([a], [b]) => a - b)
    .map(([topic, own]) => ({ name: index.topics[topic], groups: [own] }));
  if (found.length > 1) found.unshift({ name: "All topics", groups: [...topics.values()] });
  const count = ({ groups }) => groups.reduce((sum, own) => sum + own.length, 0);
  const differing = ({ groups }, place) =>
    pairedInterval(
      groups.map((own) => own.map((match) => differences(match)[place])),
      index.z,
    );
  const columns = [
    { title: "Topic", text: ({ name }) => name },
    { title: "Questions", text: (row) => number(count(row)), isNumber: true },
    ...index.stances.map((stance, place) => ({
      title: stance,
      text: (row) => interval(differing(row, place)),
      isNumber: true,
    })),
  ];
  return recordTable({ label: "Differences by topic", columns, rows: found });
}

// The means of both checkpoints: by topic, with paired intervals, and by question.
export function showComparison(index, { sides, questions, rows }) {
  if (rows.length === 0) return [];
  const title = (point) => `${point.title}, step ${number(point.at)}`;
  const about = `Difference of the mean probabilities: ${title(sides[1])} minus ${title(sides[0])}, paired by question, with t intervals over questions.`;
  return [
    element("p", "note", about),
    topicTable(index, { questions, rows }),
    element("div", "panels", ...index.stances.map((stance, place) => slopes(stance, place, questions, rows))),
  ];
}
