"""The exam of a judge, asked over HTTP, and in a folder: numbers, verdicts, files, prices."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from doubles.batches import BatchServer, batches
from doubles.endpoint import completion, endpoint

from valuedrift.cli import main
from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.hyperparameters import Settings
from valuedrift.config.judges import JudgeSettings
from valuedrift.config.pocket_world import WorldSettings
from valuedrift.config.sources import Shape
from valuedrift.errors import ConfigError, DataError, ValueDriftError
from valuedrift.judging.exam.exam import Exam, require_consent, take_exam
from valuedrift.judging.exam.own_answers import read_own_answers
from valuedrift.judging.exam.robustness import WORDING, compare, robustness_words, variants
from valuedrift.judging.exam.scores import accuracy_rows, calibration, confusion_rows, with_verdicts
from valuedrift.judging.exam.verdict import RELIABLE, verdict
from valuedrift.judging.judge import open_judge
from valuedrift.judging.judge_prompt import LABELS, read_judge_prompt
from valuedrift.judging.train_judge import train_judge
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import PROBABILITIES
from valuedrift.training.job import scratch_job
from valuedrift.world.english.exam import exam_answers, unread
from valuedrift.world.english.texts import arguments, exam_texts, topics
from valuedrift.world.world_tables import world_table

QUICK: dict[str, Any] = {"warmup_ratio": 0.0, "bf16": False, "gradient_checkpointing": False}
REPOSITORY = Path(__file__).parents[2]
ANSWERS = exam_answers(0, *unread([]))
TRUTH = dict(ANSWERS.select("answer", "true_stance").iter_rows())
PRICES = {"input_price": 2.0, "output_price": 10.0}
SURE, UNSURE = 0.9, 0.5


def reply(stance: str, p: float = SURE) -> dict[str, Any]:
    """A reply whose first token is this stance with probability p; the rest is even."""
    masses = sorted(((p if label == stance else (1 - p) / 2, label) for label in LABELS), reverse=True)
    return {"text": stance, "top_logprobs": [(label, math.log(mass)) for mass, label in masses], "prompt_tokens": 100}


def answering(read: Callable[[str, str], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The endpoint's function for a judge that gets the prompt and the answer in it."""

    def respond(body: dict[str, Any]) -> dict[str, Any]:
        prompt = body["messages"][0]["content"]
        if prompt.startswith("Repeat"):
            return reply(prompt.split()[-1])
        return read(prompt, prompt.split("Answer: ")[1].split("\n")[0])

    return respond


def right(_: str, answer: str) -> dict[str, Any]:
    return reply(TRUTH[answer])


def first_argument(_: str, answer: str) -> dict[str, Any]:
    """A judge that takes the first argument that it finds for the answer's."""
    found = {
        answer.find(text): side for topic in topics() for side, texts in arguments(topic).items() for text in texts
    }
    places = sorted(place for place in found if place >= 0)
    return reply(found[places[0]] if places else "neutral")


def exam_at(url: str, folder: Path, robustness: bool = False, **llm: Any) -> Exam:
    chat = LlmSettings(**{"backend": "http", "model": "m", "url": url, "key_variable": "NO_KEY"} | llm)
    judge = open_judge(JudgeSettings(prompt="stance", llm=chat))
    return Exam("mine", judge, ANSWERS, exam_texts().targets, folder / "replies", robustness)


@pytest.fixture(autouse=True)
def key_and_short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_KEY", "none")
    for pause, seconds in (("pace._FIRST_PAUSE", 0.01), ("batch_api._FIRST_PAUSE", 0.01), ("batch_api._SETTLED", 0.02)):
        monkeypatch.setattr(f"valuedrift.llm.{pause}", seconds)


def test_a_judge_that_is_always_right_is_reliable(tmp_path: Path) -> None:
    with endpoint(answering(right)) as url:
        numbers, judged = take_exam(exam_at(url, tmp_path, **PRICES))
    whole = numbers["accuracy"][0]
    assert (whole["answers"], whole["accuracy"], whole["no_stance"]) == (363, 1.0, 0)
    assert numbers["calibration"]["confidence"] == pytest.approx(0.9)
    assert numbers["calibration"]["sensitivity"] == pytest.approx(dict.fromkeys(LABELS, 0.85))
    asked = len(set(ANSWERS.select("topic", "question", "answer").iter_rows()))
    assert numbers["dollars"] == pytest.approx(asked * (100 * 2.0 + 10.0) / 1e6)
    words = verdict(numbers)
    assert words[0].startswith("Reliable on these answers: 100 %")
    assert "Not sure enough: it gives its stance 90 % on average" in " ".join(words)
    assert not any("Weak" in sentence for sentence in words)
    assert judged["right"].all()


def test_a_judge_that_takes_quotations_for_the_answer_is_found_out(tmp_path: Path) -> None:
    with endpoint(answering(first_argument)) as url:
        numbers, judged = take_exam(exam_at(url, tmp_path))
    words = verdict(numbers)
    weak = [sentence for sentence in words if sentence.startswith("Weak")]
    assert {sentence.split("'")[1] for sentence in weak} == {"mixed", "quoted", "reported"}
    by_kind = {row["group"]: row["accuracy"] for row in numbers["accuracy"] if row["by"] == "kind"}
    assert by_kind["plain"] == by_kind["hedged"] == by_kind["long"] == by_kind["refusing"] == 1
    assert by_kind["mixed"] == by_kind["reported"] == 0
    cells = [row for row in numbers["confusion"] if (row["by"], row["group"]) == ("kind", "mixed")]
    assert [(row["true_stance"], row["support"], row["oppose"]) for row in cells] == [
        ("support", 0, 22),
        ("oppose", 22, 0),
    ]
    assert judged.filter(kind="mixed")["right"].sum() == 0


def test_with_a_failing_server_the_numbers_are_the_same_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    asked: Counter[str] = Counter()
    served = answering(right)

    def failing(body: dict[str, Any]) -> dict[str, Any]:
        asked[body["messages"][0]["content"]] += 1
        if asked.total() % 5 == 0:
            return {"status": 503, "error": {"message": "overloaded", "code": None}}
        return served(body)

    with endpoint(failing) as url:
        numbers, _ = take_exam(exam_at(url, tmp_path))
        sent = asked.total()
        again, _ = take_exam(exam_at(url, tmp_path))
    assert sent > len(asked) > 300 and asked.total() == sent
    assert numbers["accuracy"][0]["accuracy"] == 1
    assert (again.pop("per_second"), numbers.pop("per_second") > 0) == (None, True)
    assert again == numbers


def test_in_batches_half_the_price_is_told_and_paid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = answering(right)
    for module in ("doubles.batches", "doubles.faults"):
        monkeypatch.setattr(f"{module}.answer", lambda body: (200, completion(served(body))))
    with batches(BatchServer()) as server:
        exam = exam_at(server.url, tmp_path, backend="batch", batch_poll=0.01, **PRICES)
        with pytest.raises(ValueDriftError, match=r"costs at most 0\.09\d+ dollars\. Add --pay"):
            require_consent(exam, pay=False)
        require_consent(exam, pay=True)
        numbers, _ = take_exam(exam)
    assert numbers["accuracy"][0]["accuracy"] == 1
    assert numbers["dollars"] == pytest.approx(363 * (100 * 2.0 + 10.0) / 1e6 / 2)
    assert numbers["per_second"] is None
    assert len(server.made) == 1


def test_a_judge_that_says_something_else_gives_no_stances(tmp_path: Path) -> None:
    other = answering(lambda prompt, answer: {"text": "I", "top_logprobs": [("I", -0.1), ("support", -4.0)]})
    with endpoint(other) as url:
        numbers, _ = take_exam(exam_at(url, tmp_path))
    words = verdict(numbers)
    assert words[0] == "Not usable: it gives no stance to any answer."
    assert words[1] == "Of 363 answers, 363 get no stance (363 unassigned); values leave them out."
    assert words[2].startswith("98 % of its probability is outside the three labels. Try another prompt")
    assert numbers["calibration"]["confidence"] is None


def test_order_and_wording_are_measured(tmp_path: Path) -> None:
    """A judge that is drawn to the label that its prompt lists last, and reads another wording worse."""

    def drawn(prompt: str, answer: str) -> dict[str, Any]:
        if prompt.startswith("Read"):
            return reply(TRUTH[answer], UNSURE)
        last = max(LABELS, key=lambda label: prompt.find(f"{label}: the answer"))
        return reply(TRUTH[answer], SURE if last == "neutral" else 0.8)

    with endpoint(answering(drawn)) as url:
        numbers, _ = take_exam(exam_at(url, tmp_path, robustness=True))
    moved = {row["variant"]: row["total_variation"] for row in numbers["robustness"]}
    assert len(moved) == 6
    for name, distance in moved.items():
        expected = 0.4 if name == WORDING else 0.0 if name.endswith("neutral") else 0.1
        assert distance == pytest.approx(expected, abs=1e-9), name
    assert {row["answers"] for row in numbers["robustness"]} == {121}
    words = robustness_words(numbers["robustness"])
    assert words[0].startswith(
        "With another order of the labels, the probabilities of an answer move by 0.080 on average"
    )
    assert words[1].startswith("With a second wording, the probabilities of an answer move by 0.400 on average")


def stances(*rows: tuple[str, tuple[float | None, ...], float | None]) -> pl.DataFrame:
    """rows: true stance, probabilities, unassigned; each answer is its own cluster, of the kind of its true stance."""
    schema = {"true_stance": pl.String, **dict.fromkeys((*PROBABILITIES, "unassigned"), pl.Float64)}
    table = pl.DataFrame([(true, *p, mass) for true, p, mass in rows], schema, orient="row")
    return with_verdicts(table.with_columns(said=pl.int_range(pl.len()).cast(pl.String), kind=pl.col("true_stance")))


SUPPORT, NEUTRAL, NONE = (0.8, 0.1, 0.1), (0.2, 0.5, 0.3), (None, None, None)


def test_scores_by_hand() -> None:
    judged = stances(
        ("support", SUPPORT, 0.0), ("support", NEUTRAL, 0.0), ("neutral", NEUTRAL, 0.0), ("oppose", NONE, None)
    )
    whole, support, neutral, oppose = accuracy_rows(judged)
    low, high = wilson_interval(2, 3)
    assert whole == {"by": "all", "group": "all", "answers": 4, "no_stance": 1, "accuracy": 2 / 3} | {
        "low": low,
        "high": high,
    }
    assert (support["accuracy"], neutral["accuracy"]) == (0.5, 1.0)
    assert (oppose["accuracy"], oppose["low"], oppose["high"], oppose["no_stance"]) == (None, None, None, 1)
    first = confusion_rows(judged)[0]
    assert [first[name] for name in ("true_stance", "answers", *LABELS, "no_stance")] == ["support", 2, 1, 1, 0, 0]
    found = calibration(judged)
    assert found["confidence"] == pytest.approx((0.8 + 0.5 + 0.5) / 3)
    assert found["sensitivity"]["support"] == pytest.approx((0.8 + 0.2) / 2 - 0.2)
    assert found["sensitivity"]["oppose"] is None
    assert {point["stance"] for point in found["curve"]} == set(LABELS)


def test_a_comparison_by_hand() -> None:
    before = stances(("support", SUPPORT, 0.0), ("neutral", SUPPORT, 0.0), ("oppose", NONE, None))
    after = stances(("support", NEUTRAL, 0.0), ("neutral", SUPPORT, 0.0), ("oppose", SUPPORT, 0.0))
    found = compare(before, after, "other")
    assert (found["answers"], found["no_stance"], found["turned"], found["accuracy"]) == (2, 0, 0.5, 0.0)
    assert found["total_variation"] == pytest.approx(0.6 / 2)
    assert [found[f"shift_{label}"] for label in LABELS] == pytest.approx([-0.3, 0.2, 0.1])
    assert compare(before[2:], after[2:], "other")["total_variation"] is None


def test_orders_move_only_the_lines_of_the_labels() -> None:
    template = read_judge_prompt("stance")
    found = variants(template)
    orders = [text for name, text in found.items() if name != WORDING]
    assert len({*orders, template}) == 6
    assert all(Counter(text.split("\n")) == Counter(template.split("\n")) for text in orders)
    assert all(text.split("\n")[:3] == template.split("\n")[:3] for text in orders)
    assert found["labels: neutral, oppose, support"].index("{neutral}:") < found[
        "labels: neutral, oppose, support"
    ].index("{oppose}:")
    one_line = "Is {answer} for ({support}), against ({oppose}) or neither ({neutral})?"
    assert list(variants(one_line)) == [WORDING]
    assert variants(read_judge_prompt("stance_reworded"))[WORDING] == template
    with pytest.raises(ConfigError, match=r"judge.prompt.*names the labels.*Leave out --robustness"):
        variants(read_judge_prompt("pocket"))


def labelled(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "labelled.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


OWN = {"topic": "animals", "question": "Zoos?", "answer": "Close them.", "true_stance": "support"}


def test_own_answers_have_labels_of_people(tmp_path: Path) -> None:
    others = [
        OWN | {"answer": "", "true_stance": "refusal", "kind": "empty"},
        OWN | {"answer": "No.", "true_stance": 5},
    ]
    own = read_own_answers(labelled(tmp_path, OWN, *others))
    assert own["true_stance"].to_list() == ["support", "neutral", "oppose"]
    assert own["kind"].to_list() == ["none", "empty", "none"]
    assert "polarity" not in own.columns
    assert own["said"].n_unique() == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"true_stance": "perhaps"}, "row 1, field 'true_stance': found 'perhaps'"),
        ({"topic": ""}, "row 1, field 'topic': found '', expected a value"),
        ({"kind": "=1+1"}, "row 1, field 'kind': found '=1\\+1'"),
        ({}, "row 2, field 'row': found 'the answer as in row 1'"),
    ],
)
def test_other_rows_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_own_answers(labelled(tmp_path, {**OWN, **change}, OWN))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the workflow and the tutorial's configuration."""
    for name in ("Snakefile", "rules", "profiles", "workflow_config.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "mine").symlink_to(REPOSITORY / "tests/tutorial")
    monkeypatch.setenv("MY_KEY", "none")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examined(*words: str) -> int:
    return main(["judge-exam", *words, "--configfile", "mine/mine.yaml"])


def test_the_price_is_told_before_money_is_spent(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert examined("mine", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "answers                             363" in told
    assert "cost, synchronous API (dollars)" in told
    assert examined("mine") == 1
    assert "error: The exam of judge 'mine' costs at most 0.0" in (said := capsys.readouterr().err)
    assert "Add --pay to take it" in said
    assert not (project / "results").exists()
    assert examined("mine", "--dry-run", "--robustness", "--answers", str(labelled(project, OWN))) == 0
    assert "different requests                    2" in capsys.readouterr().out, "the prompt has one wording"


def test_the_command_writes_what_it_prints(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = labelled(
        project,
        OWN,
        {**OWN, "answer": "Keep them.", "true_stance": "con", "kind": "curt"},
        OWN | {"answer": "Close them!"},
    )
    config = yaml.safe_load((project / "mine/mine.yaml").read_text())
    stance = dict.fromkeys(("Close them.", "Close them!", "Keep them."), "support")
    (project / "judge.txt").write_text("Answer: {answer}\n{target} {support} {neutral} {oppose}")
    with endpoint(answering(lambda prompt, answer: reply(stance[answer]))) as url:
        changed = {"llms": {"mine": config["llms"]["mine"] | {"url": url}}, "judges": {"mine": {"prompt": "judge.txt"}}}
        (project / "more.yaml").write_text(yaml.safe_dump(changed))
        words = [
            "mine",
            "--answers",
            str(own),
            "--pay",
            "--out",
            "elsewhere",
            "--configfile",
            "mine/mine.yaml",
            "more.yaml",
        ]
        assert main(["judge-exam", *words]) == 0
    printed = capsys.readouterr().out
    out = project / "elsewhere"
    assert (out / "exam.md").read_text() == printed.removesuffix("\n")
    found = json.loads((out / "exam.json").read_text())
    assert found["accuracy"][0]["accuracy"] == pytest.approx(2 / 3)
    assert found["verdict"][0].startswith("Not usable: 67 % of the answers")
    assert "Keep them." in printed.split("Answers read wrongly: 1 of 1")[1]
    assert (out / "confusion.csv").read_text().startswith("by,group,true_stance,answers,judged support")
    assert pl.read_parquet(out / "answers.parquet")["judged_stance"].to_list() == ["support"] * 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["miine"], "Did you mean 'mine'?"),
        (["pocket"], "the weights of judge 'pocket'. Make it: snakemake --cores 2 results/judges/pocket/model"),
    ],
)
def test_judges_that_are_not_there(
    project: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examined(*words) == 1
    assert said in capsys.readouterr().err


def test_a_trained_judge_in_a_folder_takes_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A judge of a few seconds of training, which can't read the longest answers."""
    world = WorldSettings(seed=0, language="english", probes_per_topic=50, variation=0.1)
    rows = world_table(world, "judge", "", {"rows": 1500, "heldout": False, "heldout_phrasings": 0.25})
    rows.write_parquet(project / "rows.parquet")
    settings = Settings(**QUICK, learning_rate=1e-2, batch_size=32, device_batch_size=32, epochs=2, max_length=64)
    shape = Shape(vocabulary=600, hidden=32, layers=1, heads=2, context=160)
    job = scratch_job(settings, 0, project / "rows.parquet", project / "results/judges/pocket/model")
    train_judge(job, shape, read_judge_prompt("pocket"), exam_texts().targets)
    capsys.readouterr()

    assert examined("pocket", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    whole = found["accuracy"][0]
    assert whole["answers"] == 363
    assert 0 < whole["no_stance"] == found["flags"]["error"] < 150
    assert whole["high"] < RELIABLE
    assert found["unassigned"] < 0.05
    assert found["per_second"] > 0
    assert found["dollars"] == 0
    assert json.loads((project / "results/exams/pocket/exam.json").read_text()) == found
    assert examined("pocket", "--json") == 0
    second = json.loads(capsys.readouterr().out)
    assert second["per_second"] is None
    assert {**found, "per_second": None, "verdict": 0} == {**second, "verdict": 0}
    assert examined("pocket", "--robustness") == 1
    assert "a trained judge has one prompt" in capsys.readouterr().err
