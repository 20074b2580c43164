"use strict";

// The answers of the checkpoints chosen: filtered, ordered, one checkpoint beside another, a page at a time.

const PAGE = 25;
const EVERY = "every";
const LAST = "last";
const NONE = "none";
const UNJUDGED = 3;
const controls = Object.fromEntries(
  ["model", "run", "step", "topic", "stance", "order", "search"].map((name) => [name, byId("answers-" + name)]),
);
const other = { run: byId("other-run"), step: byId("other-step") };
const view = { turn: 0, shown: 0, matches: [], origin: null };

// Which checkpoints

const modelChosen = (index) => index.models[Number(controls.model.value)];

// A run's checkpoints as {run, step, at}: step 0 is that of the run it started from.
function checkpoints(model, run) {
  const start = run.start ? [{ run: run.start.run, step: run.start.step, at: 0, title: run.title }] : [];
  return [...start, ...run.kept.map((step) => ({ run: run.name, step, at: step, title: run.title }))];
}

function stepOptions(model, name) {
  if (name === EVERY) return [[LAST, "the last of each run"], [EVERY, "every checkpoint"]];
  const run = model.runs.find((one) => one.name === name);
  const steps = checkpoints(model, run).map(({ at }) => [at, at === 0 && run.start ? "step 0, its start" : "step " + number(at)]);
  return [...steps, [EVERY, "every checkpoint"]];
}

function chosen(model, runName, stepName) {
  if (runName === EVERY) {
    return model.runs.flatMap((run) => checkpoints(model, { ...run, start: null }).slice(stepName === LAST ? -1 : 0));
  }
  const found = checkpoints(model, model.runs.find((run) => run.name === runName));
  return stepName === EVERY ? found : found.filter(({ at }) => at === Number(stepName));
}

async function loaded(model, points, tell) {
  let done = 0;
  return Promise.all(
    points.map(async (point) => {
      const piece = await load(`answers/${model.name}/${point.run}/${point.step}`);
      done += 1;
      if (points.length > 1) tell(`Loading checkpoint ${done} of ${points.length} …`);
      return { ...point, piece };
    }),
  );
}

// Which answers

function likeliest(piece, i) {
  const shares = piece.shares.map((column) => column[i]);
  return shares.includes(null) ? UNJUDGED : shares.indexOf(Math.max(...shares));
}

function lowered(piece) {
  piece.lowered ??= piece.text.map((text) => text.toLowerCase());
  return piece.lowered;
}

function filterOf(questions) {
  const words = controls.search.value.trim().toLowerCase();
  questions.lowered ??= questions.text.map((text) => text.toLowerCase());
  const topic = Number(controls.topic.value);
  const stance = Number(controls.stance.value);
  return {
    topic: (question) => topic === ALL_TOPICS || questions.topic[question] === topic,
    text: ({ piece, i }) =>
      words === "" || questions.lowered[piece.question[i]].includes(words) || lowered(piece)[i].includes(words),
    stance: ({ piece, i }) => stance === -1 || likeliest(piece, i) === stance,
  };
}

function singles(points, filter) {
  const found = [];
  for (const point of points) {
    for (let i = 0; i < point.piece.text.length; i += 1) {
      const answer = { ...point, i };
      if (filter.topic(point.piece.question[i]) && filter.stance(answer) && filter.text(answer)) found.push([answer]);
    }
  }
  return found;
}

function pairs(left, right, filter) {
  const places = new Map(right.piece.question.map((question, i) => [question + "/" + right.piece.sample[i], i]));
  return left.piece.question.flatMap((question, i) => {
    const match = places.get(question + "/" + left.piece.sample[i]);
    if (match === undefined || !filter.topic(question)) return [];
    const both = [{ ...left, i }, { ...right, i: match }];
    return both.some(filter.text) && both.some(filter.stance) ? [both] : [];
  });
}

function change([before, after]) {
  const moves = before.piece.shares.map((column, place) => Math.abs(after.piece.shares[place][after.i] - column[before.i]));
  return Math.max(...moves);
}

function ordered(found) {
  const order = controls.order.value;
  if (order === "") return found;
  const size =
    order === "change" ? change : (answers) => answers[answers.length - 1].piece.shares[Number(order)][answers[answers.length - 1].i] ?? -1;
  return found.map((answers) => [size(answers), answers]).sort((a, b) => b[0] - a[0]).map(([, answers]) => answers);
}

// What is shown

function answerBlock(index, { piece, i, title, at }) {
  const when = element("p", "when", (at === 0 && title !== "Base model" ? "step 0, the start of " : `step ${number(at)} of `) + title);
  const block = element("div", "answer", when, ...quote(piece.text[i]));
  block.append(bars(index.stances, piece.shares.map((column) => column[i])));
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
    "article", "sample", element("h3", "", questions.text[question]), element("p", "note", about),
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
  const turn = (view.turn += 1);
  const index = await ready;
  const model = modelChosen(index);
  const tell = (text) => turn === view.turn && (byId("answers-count").textContent = text);
  const points = await loaded(model, chosen(model, controls.run.value, controls.step.value), tell);
  const beside = other.run.value === NONE ? [] : await loaded(model, chosen(model, other.run.value, other.step.value), tell);
  const questions = await load("questions/" + model.name);
  if (turn !== view.turn) return; // something else was chosen meanwhile
  const filter = filterOf(questions);
  const both = points.length === 1 && beside.length === 1;
  view.matches = ordered(both ? pairs(points[0], beside[0], filter) : singles(points, filter));
  view.shown = 0;
  byId("answers-list").replaceChildren();
  showMore(index, questions);
}

// Controls

function refresh() {
  return showAnswers().catch((error) => complain(byId("answers-list"), error));
}

function fillOrders(index) {
  const stances = index.stances.map((stance, place) => [place, "most " + stance + " first"]);
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
  const last = options[options.length - 1]?.[0];
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

// Show the answers of a checkpoint on a topic, with another of the same run beside it where `beside` names its step.
async function openAnswers({ model, run, step, topic, stance, beside }) {
  const index = await ready;
  view.origin = document.activeElement;
  controls.model.value = index.models.findIndex((one) => one.name === (model.name ?? model));
  fillModel(index);
  controls.run.value = run;
  fillSteps(index, step);
  fillOther(index, beside === undefined ? NONE : run, beside);
  controls.topic.value = topic;
  controls.stance.value = -1;
  controls.search.value = "";
  controls.order.value = beside === undefined ? index.stances.indexOf(stance) : "change";
  byId("answers-back").hidden = false;
  await refresh();
  byId("answers").scrollIntoView({ behavior: "instant" });
  byId("answers-title").focus({ preventScroll: true });
}

function openCell(index, { model, run, topic }) {
  const steps = checkpoints(null, index.models.find((one) => one.name === model).runs.find((one) => one.name === run));
  const step = steps[0].at;
  const beside = steps[steps.length - 1].at;
  return openAnswers({ model, run, step, topic, beside });
}

ready
  .then((index) => {
    controls.model.dataset.shy = "";
    fill(controls.model, modelOptions(index));
    fill(controls.topic, topicOptions(index));
    fill(controls.stance, [[-1, "any"], ...index.stances.map((stance, place) => [place, stance]), [UNJUDGED, "not judged"]]);
    fillModel(index);
    const on = (control, fills) => control.addEventListener("change", () => (fills(), refresh()));
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
    byId("answers-more").addEventListener("click", async () => showMore(index, await load("questions/" + modelChosen(index).name)));
    byId("answers-back").addEventListener("click", () => view.origin?.focus());
    for (const link of document.querySelectorAll(".matrix a")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        openCell(index, link.dataset);
      });
    }
    return refresh();
  })
  .catch((error) => complain(byId("answers-list"), error));
