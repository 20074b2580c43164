// The training examples nearest to a topic's questions.

import { bars, LONGEST, quote } from "./answer_texts.js";
import { byId, drawOn, element, fill } from "./dom.js";
import { placeOf, ready, topicOptions } from "./index.js";
import { number } from "./numbers.js";
import { load } from "./pieces.js";

async function showExamples(index) {
  const data = byId("examples-data").value;
  const topic = placeOf(index, byId("examples-topic").value);
  const { examples, moved } = await load(`examples/${data}`);
  const lines = moved.filter((one) => one.topic === topic);
  const blocks = lines.map(({ run, stance, change }) =>
    element("p", "note", `${run}: ${stance} rose most, ${change}.`),
  );
  const groups = Map.groupBy(
    examples.filter((one) => one.topic === topic),
    ({ role, stance }) => `${role}: ${stance}`,
  );
  for (const [title, own] of groups) {
    blocks.push(element("h4", "", `${title} (${number(own[0].all)} examples)`));
    blocks.push(element("div", "pair", ...own.map((one) => exampleBlock(index, one))));
  }
  byId("examples-list").replaceChildren(
    ...(blocks.length ? blocks : [element("p", "none", "No example is near to this topic.")]),
  );
}

function exampleBlock(index, { question, answer, cosine, shares }) {
  const asked = element("p", "when", question.slice(0, LONGEST));
  const note = element("p", "note", `cosine ${cosine.toFixed(2)}`);
  return element("div", "answer", asked, ...quote(answer), bars(index.stances, shares), note);
}

if (byId("examples-list")) {
  ready.then((index) => {
    fill(byId("examples-topic"), topicOptions(index).slice(1));
    drawOn([byId("examples-data"), byId("examples-topic")], byId("examples-list"), () => showExamples(index));
  });
}
