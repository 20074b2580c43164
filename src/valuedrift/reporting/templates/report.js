"use strict";

const byId = (id) => document.getElementById(id);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function pickTopic() {
  const chosen = byId("topic").value;
  for (const block of document.querySelectorAll("[data-topic]")) block.hidden = block.dataset.topic !== chosen;
}

byId("topic").addEventListener("change", pickTopic);
pickTopic();

const data = JSON.parse(byId("answers-data").textContent);
const MOST_SHOWN = 40;

function fill(select, titles, all) {
  select.append(new Option(all, ""));
  titles.forEach((title, place) => select.append(new Option(title, String(place))));
}

function bars(answer) {
  const list = element("ul", "bars");
  data.stances.forEach((stance, place) => {
    const item = element("li");
    const bar = element("span", "bar");
    const part = element("span", "part " + stance);
    part.style.width = 100 * answer.p[place] + "%";
    bar.append(part);
    item.append(element("span", "name", stance), bar, element("span", "share", answer.p[place].toFixed(2)));
    list.append(item);
  });
  return list;
}

function answerBlock(answer) {
  const block = element("div", "answer");
  block.append(element("p", "when", answer.when));
  block.append(element("blockquote", "", answer.text));
  block.append(answer.p === null ? element("p", "note", "not judged") : bars(answer));
  if (answer.unassigned !== null) {
    block.append(element("p", "note", "outside the three labels: " + answer.unassigned.toFixed(3)));
  }
  return block;
}

function sampleBlock(sample) {
  const block = element("article", "sample");
  block.append(element("h3", "", sample.question));
  block.append(element("p", "note", data.runs[sample.run] + " · " + data.topics[sample.topic]));
  const pair = element("div", "pair");
  pair.append(...sample.answers.map(answerBlock));
  block.append(pair);
  return block;
}

function pickAnswers() {
  const topic = byId("answers-topic").value;
  const run = byId("answers-run").value;
  const found = data.samples.filter(
    (sample) => (topic === "" || sample.topic === Number(topic)) && (run === "" || sample.run === Number(run)),
  );
  const shown = found.slice(0, MOST_SHOWN);
  const more = found.length > shown.length ? "; choose a topic or run to narrow it" : "";
  byId("answers-count").textContent = "Showing " + shown.length + " of " + found.length + " questions" + more + ".";
  byId("answers-list").replaceChildren(...shown.map(sampleBlock));
}

fill(byId("answers-topic"), data.topics, "All topics");
fill(byId("answers-run"), data.runs, "All runs");
byId("answers-topic").value = data.topics.length ? "0" : "";
byId("answers-run").value = data.runs.length ? "0" : "";
byId("answers-topic").addEventListener("change", pickAnswers);
byId("answers-run").addEventListener("change", pickAnswers);
pickAnswers();
