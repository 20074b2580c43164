// The answers of the chosen checkpoints, a page at a time, and the controls that choose them.

import { ANY, filterOf, ordered, pairs, singles, UNJUDGED } from "./answer_filters.js";
import { bars, quote } from "./answer_texts.js";
import { chosen, EVERY, LAST, loaded, stepOptions } from "./checkpoints.js";
import { byId, complain, element, fill, start } from "./dom.js";
import { modelOf, modelOptions, placeOf, ready, topicOptions } from "./index.js";
import { number } from "./numbers.js";
import { load } from "./pieces.js";

const PAGE = 25;
const NONE = "none";
const controls = Object.fromEntries(
  ["model", "run", "step", "topic", "stance", "order", "search"].map((name) => [name, byId(`answers-${name}`)]),
);
const other = { run: byId("other-run"), step: byId("other-step") };
const view = { turn: 0, shown: 0, matches: [] };

const modelChosen = (index) => modelOf(index, controls.model.value);

// What is shown

function answerBlock(index, { piece, i, title, at }) {
  const place = at === 0 && title !== "Base model" ? "step 0, the start of" : `step ${number(at)} of`;
  const when = element("p", "when", `${place} ${title}`);
  const block = element("div", "answer", when, ...quote(piece.text[i]));
  const shares = piece.shares.map((column) => column[i]);
  block.append(bars(index.stances, shares));
  const outside = piece.unassigned[i];
  const notes = [
    piece.refusal[i] ? "a refusal" : "",
    outside ? `outside the labels: ${(outside / 1000).toFixed(3)}` : "",
    piece.flag[i] ? `no stance: ${piece.flag[i].replace("_", " ")}` : "",
  ];
  if (notes.some(Boolean)) block.append(element("p", "note", notes.filter(Boolean).join(" · ")));
  return block;
}

function article(index, questions, answers) {
  const { piece, i } = answers[0];
  const question = piece.question[i];
  const about = `${index.topics[questions.topic[question]]} · answer ${piece.sample[i] + 1}`;
  const blocks = answers.map((answer) => answerBlock(index, answer));
  return element(
    "article",
    "sample",
    element("h3", "", questions.text[question]),
    element("p", "note", about),
    element("div", "pair", ...blocks),
  );
}

function showMore(index, questions) {
  const next = view.matches.slice(view.shown, view.shown + PAGE);
  byId("answers-list").append(...next.map((answers) => article(index, questions, answers)));
  view.shown += next.length;
  const what = view.matches[0]?.length === 2 ? "pairs of answers" : "answers";
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
  const { topic, stance, search } = controls;
  const filter = filterOf(questions, placeOf(index, topic.value), Number(stance.value), search.value);
  const both = points.length === 1 && beside.length === 1;
  view.matches = ordered(both ? pairs(points[0], beside[0], filter) : singles(points, filter), controls.order.value);
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
  if (other.run.value !== NONE) orders.push(["change", "largest change first"]);
  const now = controls.order.value;
  fill(controls.order, orders, orders.some(([value]) => String(value) === now) ? now : "");
}

function fillSteps(index, step) {
  const model = modelChosen(index);
  const options = stepOptions(model, controls.run.value);
  const now = step ?? controls.step.value;
  const last = options[Math.max(0, options.length - 2)][0];
  fill(controls.step, options, options.some(([value]) => String(value) === String(now)) ? now : last);
  fillOther(index);
}

// One checkpoint can have another beside it; many can't.
function fillOther(index, run, step) {
  const model = modelChosen(index);
  const isSingle = ![EVERY, LAST].includes(controls.step.value);
  const runs = [[NONE, "nothing"], ...model.runs.filter((one) => one.kept.length).map((one) => [one.name, one.title])];
  const wanted = run ?? (other.run.value || NONE);
  fill(other.run, runs, isSingle && runs.some(([name]) => name === wanted) ? wanted : NONE);
  other.run.disabled = !isSingle;
  const options = other.run.value === NONE ? [] : stepOptions(model, other.run.value).slice(0, -1);
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
    fillModel(index);
    const on = (control, fills) => {
      control.addEventListener("change", () => {
        fills();
        refresh();
      });
    };
    on(controls.model, () => fillModel(index));
    on(controls.run, () => fillSteps(index, LAST));
    on(controls.step, () => fillOther(index));
    on(other.run, () => fillOther(index));
    for (const control of [other.step, controls.topic, controls.stance, controls.order]) on(control, () => {});
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
