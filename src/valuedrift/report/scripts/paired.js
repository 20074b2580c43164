// Differences between two checkpoints, paired by question.

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// The quantile of Student's t, from that of the normal distribution (Cornish and Fisher's expansion).
function student(z, freedom) {
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}

function spread(values) {
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  return { middle, variance: values.length > 1 ? squares / (values.length - 1) / values.length : NaN };
}

// groups: the differences by question of each topic. The mean over topics with its t interval.
export function pairedInterval(groups, z) {
  const parts = groups.map(spread);
  const middle = mean(parts.map((part) => part.middle));
  const error = Math.sqrt(parts.reduce((sum, part) => sum + part.variance, 0)) / parts.length;
  const freedom = groups.reduce((sum, values) => sum + values.length - 1, 0);
  const half = freedom > 0 ? student(z, freedom) * error : NaN;
  return { middle, low: middle - half, high: middle + half };
}

// The mean probabilities of each question that both pieces answer: {question, before, after: {shares, answers}}.
export function byQuestion(left, right) {
  const sides = [left, right].map(meansOf);
  return [...sides[0]].flatMap(([question, before]) => {
    const after = sides[1].get(question);
    return after ? [{ question, before, after }] : [];
  });
}

function meansOf(point) {
  const { piece } = point;
  const places = Map.groupBy([...piece.question.keys()], (i) => piece.question[i]);
  return new Map(
    [...places].flatMap(([question, all]) => {
      const judged = all.filter((i) => piece.shares[0][i] !== null);
      if (judged.length === 0) return [];
      const shares = piece.shares.map((column) => mean(judged.map((i) => column[i])) / 1000);
      return [[question, { shares, answers: all.map((i) => ({ ...point, i })) }]];
    }),
  );
}

export const differences = ({ before, after }) => after.shares.map((share, place) => share - before.shares[place]);
