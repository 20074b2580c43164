// What was measured: stances, topics, and each model's runs with their checkpoints.

import { load } from "./pieces.js";

export const ALL_TOPICS = -1;
export const ready = load("index");

export function topicOptions(index) {
  return [["all", "All topics"], ...index.topics.map((name, place) => [index.keys[place], name])];
}

// The place of a topic among the topics, or ALL_TOPICS.
export const placeOf = (index, key) => index.keys.indexOf(key);

export const topicName = (index, key) => new Map(topicOptions(index)).get(key);

export function modelOptions(index) {
  return index.models.map((model) => [model.name, model.title]);
}

export const modelOf = (index, name) => index.models.find((model) => model.name === name);
export const runOf = (model, name) => model.runs.find((run) => run.name === name);

// The runs from the first of a lineage to this one.
export function lineageOf(model, name) {
  const parts = name.split("/");
  return parts.map((_, place) => runOf(model, parts.slice(0, place + 1).join("/"))).filter(Boolean);
}
