// A chart of stances over the steps of a run, or of several runs of a lineage one after another.

import { lineChart } from "./line_chart.js";
import { number } from "./numbers.js";
import { load } from "./pieces.js";

// The values and drifts of a run on a topic.
export async function measured(model, run, topic, place) {
  const [lines, drifts] = await Promise.all([load(`values/${model.name}`), load(`drifts/${model.name}`)]);
  const line = lines.find((one) => one.run === run.name && one.topic === place);
  return line && { run, topic, line, drifts: drifts[run.name]?.[topic] ?? [] };
}

// stages: from measured; pick({run, topic, step, stance}); options: width, height and brackets of lineChart
export function trajectoryChart(index, stages, pick, options = {}) {
  const segments = stages.map(({ run, line, drifts }) => ({
    heading: stages.length > 1 || options.brackets ? run.heading : "",
    steps: line.steps,
    scale: run.tokens ?? 1,
    xTitle: run.tokens ? "Tokens" : "Training step",
    lines: line.stances.map((stance, place) => ({
      name: index.stances[place],
      values: stance.value,
      low: stance.low,
      high: stance.high,
      isPale: drifts[place] !== undefined && !drifts[place].is_real,
      bracket: drifts[place]?.reached,
    })),
  }));
  const tell = (segment, line, i) => {
    const { values, low, high, name } = segments[segment].lines[line];
    const { run, line: own } = stages[segment];
    const where = segments.length > 1 ? ` of ${run.heading}` : "";
    return `${name} ${values[i].toFixed(2)} [${low[i].toFixed(2)}, ${high[i].toFixed(2)}] at step ${number(own.steps[i])}${where}`;
  };
  const chosen = (segment, line, i) => {
    const { run, topic, line: own } = stages[segment];
    pick({ run: run.name, topic, step: own.steps[i], stance: index.stances[line] });
  };
  const label = `Stance probabilities over training: ${stages.at(-1).run.title}`;
  return lineChart({ segments, low: 0, high: 1, yTitle: "Stance probability", label, tell, pick: chosen, ...options });
}
