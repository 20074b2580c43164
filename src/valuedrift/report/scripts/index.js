// What was measured: stances, topics, and each model's runs with their checkpoints.

import { load } from "./pieces.js";

export const ALL_TOPICS = -1;
export const ready = load("index");

export function topicOptions(index) {
  return [[ALL_TOPICS, "All topics"], ...index.topics.map((name, place) => [place, name])];
}

export function modelOptions(index) {
  return index.models.map((model, place) => [place, model.title]);
}
