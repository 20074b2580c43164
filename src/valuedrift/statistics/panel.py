"""Stances as arrays: the question means of each checkpoint, and the bootstrap draws that all checkpoints share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.errors import ArtifactError, require_columns
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.trajectory import Checkpoint

STANCES = ("support", "neutral", "oppose")
PROBABILITIES = tuple(f"p_{stance}" for stance in STANCES)
ALL = "all"
"""The topic name under which the unweighted mean over topics is reported."""

_UNIT = 2**50
_ROUNDING = 1e-13
KEYS = ("model", "run", "step", "topic", "question_id", "sample")
"""The columns that name an answer."""


@dataclass(frozen=True)
class Panel:
    """One model's answers, averaged per checkpoint and question.

    Attributes:
        model: The model's name.
        topics: Topic → its slice of the question axis, in alphabetical order.
        questions: What each place on the question axis stands for: a `question_id`, or a `group`, whose questions count
            as one question with all their answers.
        checkpoints: Checkpoint → its index on the checkpoint axis.
        means: (checkpoints, questions, stances); NaN where a question has no judged answer.
        answers: Number of judged answers in each mean, (checkpoints, questions).
        scatter: Variance of single answers around their question's mean, shaped like `means`; NaN with fewer than two.
        weights: Topic → the share of each question in the draws of a replicate, (questions, replicates). They are the
            same for all checkpoints and stances, so that differences are paired.
    """

    model: str
    topics: dict[str, slice]
    questions: tuple[str, ...]
    checkpoints: dict[Checkpoint, int]
    means: FloatArray
    answers: NDArray[np.int64]
    scatter: FloatArray
    weights: dict[str, FloatArray]


@dataclass(frozen=True)
class TopicValues:
    """Values (paper, equation 1) of a sequence of checkpoints on one topic, over the questions judged at all of them.

    Attributes:
        topic: The topic, or "all".
        questions: Number of these questions.
        answers: Number of judged answers per checkpoint, (checkpoints,).
        values: (checkpoints, stances).
        replicates: (checkpoints, stances, replicates).
        means: The question means that the values are means of, (checkpoints, stances, questions): one array per topic,
            so topic "all" has several.
        common: Which of the topic's questions these are, (all questions of the topic,), per topic.
        sampling: Variance of each value by the sampling of answers alone, (checkpoints, stances); NaN if unknown.
    """

    topic: str
    questions: int
    answers: NDArray[np.int64]
    values: FloatArray
    replicates: FloatArray
    means: tuple[FloatArray, ...]
    common: tuple[NDArray[np.bool_], ...]
    sampling: FloatArray

    @property
    def per_question(self) -> float:
        """The fewest answers per question at any checkpoint."""
        return max(1.0, float(self.answers.min()) / self.questions)

    def ends(self) -> TopicValues:
        """Return a copy with start and end only; a view would keep the replicates of every checkpoint in memory."""
        return replace(
            self,
            values=self.values[[0, -1]],
            replicates=self.replicates[[0, -1]],
            means=tuple(topic[[0, -1]] for topic in self.means),
        )


def make_panel(stances: pl.DataFrame, bootstrap: Bootstrap) -> Panel:
    """Average the answers to each question; answers with a null probability are left out.

    Args:
        stances: Rows of one model: `model, run, step, topic, question_id, sample, p_support, p_neutral, p_oppose`, and
            `group` if questions have one.
        bootstrap: Settings of the draws.

    Raises:
        ArtifactError: A column is missing, a key is null or repeated, or the probabilities are no distribution.
    """
    check_stances(stances)
    return _panel(_question_sums(stances), bootstrap)


def read_panel(files: Sequence[Path], bootstrap: Bootstrap) -> Panel:
    """Make a panel from stance tables in parquet files, with the answers of only one file at a time in memory.

    Raises:
        ArtifactError: As `make_panel` does, or two files have the same checkpoint or different models.
    """
    return _panel(pl.concat(_question_sums(stances) for stances in _checked(files)), bootstrap)


def read_panels(files: Sequence[Path], unhealthy: pl.DataFrame, bootstrap: Bootstrap) -> tuple[Panel, Panel]:
    """Make the panel of all answers, as `read_panel` does, and that of the others than the `unhealthy` ones.

    Args:
        files: Stance tables of one model.
        unhealthy: The keys of answers. They count as not judged in the second panel.
        bootstrap: Settings of the draws.
    """
    every, healthy = [], []
    for stances in _checked(files):
        every.append(_question_sums(stances))
        kept = stances.join(unhealthy.with_columns(ill=True), on=KEYS, how="left").with_columns(
            pl.when(pl.col("ill").is_null()).then(pl.col(p)) for p in PROBABILITIES
        )
        healthy.append(_question_sums(kept))
    panel = _panel(pl.concat(every), bootstrap)
    return panel, replace(_panel(pl.concat(healthy), None), weights=panel.weights)


def _checked(files: Sequence[Path]) -> Iterator[pl.DataFrame]:
    seen: dict[tuple[str, str, int], Path] = {}
    for file in files:
        group = {"group"} & set(pl.read_parquet_schema(file))
        stances = pl.read_parquet(file, columns=[*KEYS, *group, *PROBABILITIES])
        check_stances(stances)
        for model, run, step in stances.select("model", "run", "step").unique().sort("run", "step").iter_rows():
            if (first := seen.setdefault((model, run, step), file)) is not file:
                raise ArtifactError(file, f"run {run}, step {step}, as in {first}", "each checkpoint in one file")
        yield stances


def topic_values(panel: Panel, topic: str, checkpoints: Sequence[Checkpoint]) -> TopicValues:
    """Compute the values of `checkpoints` on `topic`, over the questions judged at all of these checkpoints.

    If a replicate drew none of those questions, each of them counts once in it.

    Raises:
        ArtifactError: No question is judged at all of them. The message names the topic, and run and step of the first
            checkpoint at which no question is left.
    """
    common = common_questions(panel, topic, checkpoints)
    rows = [panel.checkpoints[checkpoint] for checkpoint in checkpoints]
    means = np.ascontiguousarray(panel.means[rows, panel.topics[topic]][:, common].transpose(2, 0, 1))
    answers = panel.answers[rows, panel.topics[topic]][:, common]
    weights = weights_of_common(panel.weights[topic], common)
    replicates = _weighted(means, weights)
    return TopicValues(
        topic=topic,
        questions=int(common.sum()),
        answers=answers.sum(axis=1),
        values=means.mean(axis=-1).T,
        replicates=replicates.transpose(1, 0, 2),
        means=(means.transpose(1, 0, 2),),
        common=(common,),
        sampling=_sampling(panel.scatter[rows, panel.topics[topic]][:, common], answers),
    )


def weights_of_common(weights: FloatArray, common: NDArray[np.bool_]) -> FloatArray:
    """Return the weights of the `common` questions, scaled to sum to 1 in each replicate."""
    if common.all():
        return weights
    own = weights[common]
    drawn = own.sum(axis=0)
    return np.where(drawn > 0, own, 1.0) / np.where(drawn > 0, drawn, len(own))


def _weighted(means: FloatArray, weights: FloatArray) -> FloatArray:
    """Multiply means (stances, checkpoints, questions) by weights (questions, replicates)."""
    stances, checkpoints, questions = means.shape
    drawn = np.empty((stances, checkpoints, weights.shape[1]))
    # The last of three shares is 1 minus the others, which saves a third of the work.
    whole = np.abs(means.sum(axis=0) - 1).max() < _ROUNDING
    first = stances - 1 if whole else stances
    np.matmul(means[:first].reshape(-1, questions), weights, out=drawn[:first].reshape(first * checkpoints, -1))
    if whole:
        np.subtract(1, drawn[0], out=drawn[-1])
        drawn[-1] -= drawn[1]
    return drawn


def _sampling(scatter: FloatArray, answers: NDArray[np.int64]) -> FloatArray:
    """Return the variance of values (checkpoints, stances) by the sampling of answers.

    A question with one answer has the mean scatter of the others. With one answer to every question nothing is known.
    """
    known = ~np.isnan(scatter)
    count = known.sum(axis=1)
    mean = np.where(known, scatter, 0).sum(axis=1) / np.where(count > 0, count, np.nan)
    each = np.where(known, scatter, mean[:, None]) / answers[..., None]
    return np.asarray(each.sum(axis=1) / answers.shape[1] ** 2)


def each_topic_and_all(panel: Panel, checkpoints: Sequence[Checkpoint]) -> Iterator[TopicValues]:
    """Yield `topic_values` of each topic, with one topic at a time in memory, then their unweighted mean as "all"."""
    total: TopicValues | None = None
    for topic in panel.topics:
        part = topic_values(panel, topic, checkpoints)
        yield part
        total = _sum(total, part) if total else part
    assert total
    topics = len(panel.topics)
    yield replace(
        total,
        topic=ALL,
        values=total.values / topics,
        replicates=total.replicates / topics,
        sampling=total.sampling / topics**2,
    )


def with_common_questions(panel: Panel, checkpoints: Sequence[Checkpoint]) -> Panel:
    """Return the panel without topics that have no question judged at all `checkpoints`."""
    rows = [panel.checkpoints.get(checkpoint, -1) for checkpoint in checkpoints]
    # At a missing checkpoint no question is judged.
    judged = np.all((panel.answers[rows] > 0) & (np.array(rows) >= 0)[:, None], axis=0)
    return replace(panel, topics={topic: own for topic, own in panel.topics.items() if judged[own].any()})


def unit(columns: Collection[str]) -> pl.Expr:
    """Return what values average over: the `group` of a question that has one, else its `question_id`."""
    return pl.coalesce("group", "question_id") if "group" in columns else pl.col("question_id")


def exact_sum(probabilities: pl.Expr) -> pl.Expr:
    """Sum `probabilities` as multiples of 2^-50: this sum is exact, so it doesn't depend on the order of the rows."""
    return (probabilities * _UNIT).round().cast(pl.Int64).sum() / _UNIT


def check_stances(stances: pl.DataFrame) -> None:
    """Raise ArtifactError unless `stances` is a table that `make_panel` reads."""
    require_columns("stances", stances.columns, (*KEYS, *PROBABILITIES))
    if ALL in stances["topic"]:
        raise ArtifactError("stances", f"topic {ALL}", "another name, as this one is the mean over topics")
    _refuse(stances.filter(pl.any_horizontal(pl.col(KEYS).is_null())), "a value in every key column")
    _refuse(stances.filter(stances.select(KEYS).is_duplicated()), "one row for each answer")
    _refuse(stances.drop_nulls(PROBABILITIES).filter(~is_distribution()), "three probabilities that sum to 1")


def is_distribution() -> pl.Expr:
    """Whether a row's three probabilities are from 0 to 1 and sum to 1, up to rounding errors; false for NaN."""
    p = pl.col(PROBABILITIES)
    # Polars orders NaN above every number, so it is not between 0 and 1.
    return pl.all_horizontal(p.is_between(-1e-6, 1 + 1e-6)) & ((pl.sum_horizontal(p) - 1).abs() < 1e-3)


def most_probable() -> pl.Expr:
    """Return the most probable stance of a row; of equally probable ones, the first in the order of STANCES."""
    return pl.concat_list(PROBABILITIES).list.arg_max().replace_strict(range(len(STANCES)), STANCES)


def _refuse(rows: pl.DataFrame, expected: str) -> None:
    if rows.height:
        first = rows.sort(KEYS).row(0, named=True)
        row = ", ".join(f"{key} {first[key]}" for key in KEYS)
        raise ArtifactError(f"stances, {row}", [first[p] for p in PROBABILITIES], expected)


def _question_sums(stances: pl.DataFrame) -> pl.DataFrame:
    """Return per question: its keys, `answers` (judged ones), and sums of probabilities and of their squares."""
    judged = pl.all_horizontal(pl.col(PROBABILITIES).is_not_null())
    sums = [exact_sum(pl.when(judged).then(p)) for p in PROBABILITIES]
    sums += [exact_sum(pl.when(judged).then(pl.col(p) ** 2)).alias(f"{p}_squared") for p in PROBABILITIES]
    units = stances.lazy().with_columns(question_id=unit(stances.columns))
    questions = units.group_by(KEYS[:-1]).agg(judged.sum().alias("answers"), *sums)
    return questions.collect(engine="streaming")


def _panel(sums: pl.DataFrame, bootstrap: Bootstrap | None) -> Panel:
    models = sums["model"].unique().sort().to_list()
    if len(models) != 1:
        raise ArtifactError("stances", models, "the rows of one model", "Call once per model.")
    questions = sums.select("topic", "question_id").unique().sort("topic", "question_id").with_row_index("q")
    checkpoints = sums.select("run", "step").unique().sort("run", "step").with_row_index("c")
    indexed = sums.join(questions, on=["topic", "question_id"]).join(checkpoints, on=["run", "step"])
    cell = indexed["c"].to_numpy(), indexed["q"].to_numpy()
    answers = np.zeros((checkpoints.height, questions.height), dtype=np.int64)
    answers[cell] = indexed["answers"].to_numpy()
    means, scatter = np.full((2, *answers.shape, len(STANCES)), np.nan)
    judged = indexed["answers"].to_numpy()[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        means[cell] = indexed.select(PROBABILITIES).to_numpy() / judged
        squares = indexed.select(f"{p}_squared" for p in PROBABILITIES).to_numpy()
        scatter[cell] = np.maximum(squares - judged * means[cell] ** 2, 0) / np.where(judged > 1, judged - 1, np.nan)
    sizes = questions.group_by("topic", maintain_order=True).agg(pl.col("q").first(), pl.len())
    topics = {topic: slice(first, first + count) for topic, first, count in sizes.iter_rows()}
    return Panel(
        model=models[0],
        topics=topics,
        questions=tuple(questions["question_id"]),
        checkpoints={(run, step): c for c, run, step in checkpoints.iter_rows()},
        means=means,
        answers=answers,
        scatter=scatter,
        weights=shares_of_draws(topics, bootstrap) if bootstrap else {},
    )


def shares_of_draws(topics: Mapping[str, slice], bootstrap: Bootstrap) -> dict[str, FloatArray]:
    """Return each question's weight in each replicate, topic → (questions, replicates): `Bootstrap.weights` as shares.

    Topics with the same number of questions use the same draws in the same circular order, but each topic starts at a
    different position, which depends on seed and topic. Therefore no two topics use the same draw in the same
    replicate, and topics are independent in each replicate.

    Args:
        topics: Topic → its slice of the question axis.
        bootstrap: Settings of the draws.
    """
    rings: dict[int, FloatArray] = {}
    taken: dict[int, set[int]] = {}
    shares = {}
    for topic, own in topics.items():
        size = own.stop - own.start
        if size not in rings:
            drawn = bootstrap.weights(f"{size} questions", size) / size
            rings[size], taken[size] = np.concatenate([drawn, drawn], axis=1), set()
        start = int(bootstrap.stream(topic).integers(bootstrap.replicates))
        while start in taken[size] and len(taken[size]) < bootstrap.replicates:
            start = (start + 1) % bootstrap.replicates
        taken[size].add(start)
        shares[topic] = rings[size][:, start : start + bootstrap.replicates]
    return shares


def common_questions(panel: Panel, topic: str, checkpoints: Sequence[Checkpoint]) -> NDArray[np.bool_]:
    """Return which of the topic's questions are judged at all `checkpoints`; raise ArtifactError if none is."""
    rows = [panel.checkpoints.get(checkpoint, -1) for checkpoint in checkpoints]
    # At a missing checkpoint no question is judged.
    judged = (panel.answers[rows, panel.topics[topic]] > 0) & (np.array(rows) >= 0)[:, None]
    common = np.logical_and.accumulate(judged)
    if not common[-1].any():
        run, step = checkpoints[int((~common.any(axis=1)).argmax())]
        raise ArtifactError(
            f"stances, model {panel.model}, run {run}, step {step}, topic {topic}",
            "no question judged both here and at the checkpoints before it",
            "at least one",
            "Generate and judge the missing answers.",
        )
    return np.asarray(common[-1])


def _sum(a: TopicValues, b: TopicValues) -> TopicValues:
    return TopicValues(
        topic=ALL,
        questions=a.questions + b.questions,
        answers=a.answers + b.answers,
        values=a.values + b.values,
        replicates=a.replicates + b.replicates,
        means=a.means + b.means,
        common=a.common + b.common,
        sampling=a.sampling + b.sampling,
    )
