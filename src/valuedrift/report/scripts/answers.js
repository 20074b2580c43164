// The answers of the chosen checkpoints, a page at a time, and the controls that choose them.

import { copyButton, fragmentOf } from "./address.js";
import { ANY, compared, filterOf, onlyOptions, ordered, singles, UNJUDGED } from "./answer_filters.js";
import { bars, quote, verdictNotes } from "./answer_texts.js";
import { chosen, EVERY, hasLabels, isMany, LAST, loaded, stepOptions } from "./checkpoints.js";
import { questionRow, showComparison } from "./comparison.js";
import { byId, complain, element, fill, start } from "./dom.js";
import { modelOf, modelOptions, placeOf, ready, topicOptions } from "./index.js";
import { number } from "./numbers.js";
import { load } from "./pieces.js";

const PAGE = 25;
const QUESTIONS = 10;
const NONE = "none";
const controls = Object.fromEntries(
  ["model", "run", "step", "topic", "question", "stance", "only", "order", "search"].map((name) => [
    name,
    byId(`answers-${name}`),
  ]),
);
const other = { run: byId("other-run"), step: byId("other-step") };
const view = { turn: 0, shown: 0, matches: [], isCompared: false };

const modelChosen = (index) => modelOf(index, controls.model.value);

// What is shown

function answerBlock(index, { piece, i, title, at }) {
  const place = at === 0 && title !== "Base model" ? "step 0, the start of" : `step ${number(at)} of`;
  const when = element("p", "when", `${place} ${title}`);
  const block = element("div", "answer", when, ...quote(piece.text[i]));
  const shares = piece.shares.map((column) => column[i]);
  block.append(bars(index.stances, shares));
  const notes = verdictNotes(index.stances, piece, i);
  if (notes.length) block.append(element("p", "note", notes.join(" · ")));
  return block;
}

function article(index, questions, answer) {
  const { piece, i } = answer;
  const question = piece.question[i];
  const about = `${index.topics[questions.topic[question]]} · answer ${piece.sample[i] + 1}`;
  return element(
    "article",
    "sample",
    element("h3", "", questions.text[question]),
    element("p", "note", about),
    answerBlock(index, answer),
  );
}

const questionOf = ({ question, piece, i }) => question ?? piece.question[i];

function showMore(index, questions) {
  const next = view.matches.slice(view.shown, view.shown + (view.isCompared ? QUESTIONS : PAGE));
  const draw = view.isCompared ? questionRow : article;
  const copy = (match) => copyButton(() => fragmentOf(byId("answers"), { question: questionOf(match) }));
  for (const match of next) {
    const drawn = draw(index, questions, match);
    drawn.prepend(copy(match));
    byId("answers-list").append(drawn);
  }
  view.shown += next.length;
  const what = view.isCompared ? "questions" : "answers";
  byId("answers-count").textContent = `Showing ${number(view.shown)} of ${number(view.matches.length)} ${what}.`;
  byId("answers-more").hidden = view.shown === view.matches.length;
}

async function showAnswers() {
  view.turn += 1;
  const { turn } = view;
  const index = await ready;
  const model = modelChosen(index);
  const tell = (text) => {
    if (turn === view.turn) byId("answers-count").textContent = text;
  };
  const points = await loaded(model, chosen(model, controls.run.value, controls.step.value), tell);
  const beside =
    other.run.value === NONE ? [] : await loaded(model, chosen(model, other.run.value, other.step.value), tell);
  const questions = await load(`questions/${model.name}`);
  if (turn !== view.turn) return; // something else was chosen meanwhile
  const filter = filterOf(questions, {
    topic: placeOf(index, controls.topic.value),
    question: Number(controls.question.value || ANY),
    stance: Number(controls.stance.value),
    only: controls.only.value,
    search: controls.search.value,
  });
  view.isCompared = points.length === 1 && beside.length === 1;
  const found = view.isCompared ? compared(points[0], beside[0], filter) : singles(points, filter);
  view.matches = ordered(found, controls.order.value);
  const rest = view.isCompared ? { sides: [points[0], beside[0]], questions, rows: found } : null;
  byId("answers-compared").replaceChildren(...(rest ? showComparison(index, rest) : []));
  view.shown = 0;
  byId("answers-list").replaceChildren();
  showMore(index, questions);
}

// Controls

function refresh() {
  return showAnswers().catch((error) => complain(byId("answers-list"), error));
}

function fillOrders(index) {
  const stances = index.stances.map((stance, place) => [place, `most ${stance} first`]);
  const orders = [["", "as asked"], ...stances];
  const isBeside = other.run.value !== NONE;
  if (isBeside) orders.unshift(["change", "largest change first"]);
  const now = controls.order.value;
  fill(controls.order, orders, orders.some(([value]) => String(value) === now) ? now : orders[0][0]);
  if (isBeside && !controls.order.dataset.beside) controls.order.value = "change";
  controls.order.dataset.beside = isBeside ? "yes" : "";
}

async function fillQuestions(index) {
  const { topic, text } = await load(`questions/${modelChosen(index).name}`);
  const place = placeOf(index, controls.topic.value);
  const own = [...text.entries()].filter(([question]) => place < 0 || topic[question] === place);
  const now = controls.question.value;
  fill(controls.question, [[ANY, "all questions"], ...own.map(([question, title]) => [question, title.slice(0, 120)])]);
  controls.question.value = own.some(([question]) => String(question) === now) ? now : ANY;
}

function fillSteps(index, step) {
  const model = modelChosen(index);
  const options = stepOptions(model, controls.run.value);
  const now = step ?? controls.step.value;
  const last = (options.findLast(([value]) => !isMany(value)) ?? options[0])[0];
  fill(controls.step, options, options.some(([value]) => String(value) === String(now)) ? now : last);
  fillOther(index);
}

// One checkpoint can have another beside it; many can't.
function fillOther(index, run, step) {
  const model = modelChosen(index);
  const isSingle = !isMany(controls.step.value);
  const runs = [[NONE, "nothing"], ...model.runs.filter((one) => one.kept.length).map((one) => [one.name, one.title])];
  const wanted = run ?? (other.run.value || NONE);
  fill(other.run, runs, isSingle && runs.some(([name]) => name === wanted) ? wanted : NONE);
  other.run.disabled = !isSingle;
  const options =
    other.run.value === NONE ? [] : stepOptions(model, other.run.value).filter(([value]) => !isMany(value));
  const now = step ?? other.step.value;
  const last = options.at(-1)?.[0];
  fill(other.step, options, options.some(([value]) => String(value) === String(now)) ? now : last);
  other.step.closest(".field").hidden = other.run.value === NONE;
  fillOrders(index);
}

function fillModel(index) {
  const runs = modelChosen(index).runs.filter((run) => run.kept.length);
  fill(controls.run, [...runs.map((run) => [run.name, run.title]), [EVERY, "every run"]]);
  other.run.value = NONE;
  fillSteps(index);
}

ready
  .then((index) => {
    controls.model.dataset.shy = "";
    fill(controls.model, modelOptions(index));
    fill(controls.topic, topicOptions(index));
    fill(controls.stance, [
      [ANY, "any"],
      ...index.stances.map((stance, place) => [place, stance]),
      [UNJUDGED, "not judged"],
    ]);
    fill(controls.only, onlyOptions(index.stances, index.models.some(hasLabels)));
    fillModel(index);
    start(fillQuestions(index));
    const on = (control, fills) => {
      control.addEventListener("change", () => {
        fills();
        refresh();
      });
    };
    on(controls.model, () => {
      fillModel(index);
      fillQuestions(index);
    });
    on(controls.run, () => fillSteps(index, LAST));
    on(controls.topic, () => fillQuestions(index));
    on(controls.step, () => fillOther(index));
    on(other.run, () => fillOther(index));
    for (const control of [other.step, controls.question, controls.stance, controls.only, controls.order])
      on(control, () => {});
    let waiting;
    controls.search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(refresh, 200);
    });
    byId("answers-more").addEventListener("click", async () =>
      showMore(index, await load(`questions/${modelChosen(index).name}`)),
    );
    start(refresh());
  })
  .catch((error) => complain(byId("answers-list"), error));
