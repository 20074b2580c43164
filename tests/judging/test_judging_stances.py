import json
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pytest
from judging_examples import ANSWERS, TARGETS, generations
from transformers import AutoTokenizer

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.judging.encode_prompts import encode_prompts
from valuedrift.judging.judge import open_judge
from valuedrift.judging.judge_prompt import fill_judge_prompt, read_judge_prompt
from valuedrift.judging.judgement import Judgement
from valuedrift.judging.stances import COLUMNS, estimate_stances, judge_table, write_stances
from valuedrift.llm.cost import value_of
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest, Turn
from valuedrift.statistics.panel import PROBABILITIES, check_stances
from valuedrift.templates import prompt_hash


class Interrupted(Exception):
    pass


@dataclass
class Counting:
    """A judge whose stance depends on the prompt's length, and that counts what it judges. `allowed`: then it dies."""

    template: str = "{question}\n{answer}\nOn {target}:"
    settings: JudgeSettings = field(default_factory=lambda: JudgeSettings(prompt="counting"))
    name: str = "counting"
    asked: Counter = field(default_factory=Counter)
    allowed: int = 10**9

    def keys(self, prompt):
        return (ChatRequest((Turn("user", prompt),), 1).key(self.name),)

    def judge(self, prompts, journal):
        with Journal(journal) as store:
            for prompt in prompts:
                if self.keys(prompt)[0] not in store:
                    if self.asked.total() >= self.allowed:
                        raise Interrupted
                    self.asked[prompt] += 1
                    store.append(self.keys(prompt)[0], {"length": len(prompt)})

    def records(self, prompt, store):
        return [store[key] for key in self.keys(prompt)]

    def judgement(self, records):
        (record,) = records
        p = 1 / record["length"]
        if record["length"] % 7 == 0:
            return Judgement(None, 0.9, 0.0, None, "unassigned", 0.5, 100, 1, 0.01)
        return Judgement((p, 0.0, 1 - p), 0.1, 0.0, None, None, 0.5, 100, 1, 0.01)


def judged(tables, folder, judge, targets=TARGETS):
    files = [folder / f"{i}.parquet" for i in range(len(tables))]
    for file, table in zip(files, tables, strict=True):
        table.write_parquet(file)
    write_stances(files, judge, targets, folder / "journal.jsonl", folder / "out.parquet")
    return pl.read_parquet(folder / "out.parquet")


def test_answers_keep_their_columns_and_order_and_gain_stances(judge_folder, tmp_path):
    judge = open_judge(JudgeSettings(prompt="pocket", chat=False, batch_size=4, max_unassigned=1.0), judge_folder)
    tables = [generations(2), generations(1, [*ANSWERS[::-1], "Maybe ."])]
    found = judged(tables, tmp_path, judge)
    assert found.schema == {**tables[0].schema, **COLUMNS}
    assert found.select(tables[0].columns).equals(pl.concat(tables))
    assert found["answer"][:6].to_list() == ANSWERS
    assert set(found["judge"]) == {judge.name}
    np.testing.assert_allclose(found.select(pl.sum_horizontal(PROBABILITIES)).to_series(), 1)
    assert found["unassigned"].min() > 0.1
    prompts = [f"{answer}\nStance:" for answer in found["answer"]]
    read = encode_prompts(AutoTokenizer.from_pretrained(judge_folder), prompts, chat=False)
    assert found["judge_tokens"].to_list() == [len(ids) + 1 for ids in read]
    check_stances(found)
    metadata = pl.read_parquet_metadata(tmp_path / "out.parquet")
    assert (metadata["judge"], metadata["prompt"]) == (judge.name, "pocket")
    assert metadata["prompt_hash"] == found["prompt_hash"][0] == prompt_hash(read_judge_prompt("pocket"))
    assert (metadata["answers"], metadata["texts"], metadata["flagged"]) == ("13", "6", "{}")


def test_any_table_of_texts_is_judged_and_keeps_its_own_columns(tmp_path):
    rows = pl.DataFrame(
        {"row": [7, 9], "topic": "work", "question": "Why ?", "answer": ["Yes .", "I can't help with that."], "x": None}
    )
    found = judged([rows], tmp_path, Counting())
    assert found.select(rows.columns).equals(rows)
    assert found["refusal"].to_list() == [False, True]
    table = judge_table(rows, Counting(), TARGETS, tmp_path / "other")
    assert table.equals(found)


def test_answers_that_end_within_their_reasoning_are_not_judged_but_counted(tmp_path, capsys):
    rows = generations(answers=["Yes .", "", "", "No ."]).with_columns(
        reasoning=pl.Series([None, "Hm", "Hm .", "Hm"]), unclosed=pl.Series([False, True, False, False])
    )
    judge = Counting(template="{question}\n{answer}\nOn {target} :")
    found = judged([rows, generations(2)], tmp_path, judge)
    assert found.columns == [*generations().columns, *COLUMNS]
    assert found["flag"].to_list()[:4] == [None, "unclosed_reasoning", None, None]
    assert found["p_support"].is_null().to_list()[:4] == [False, True, False, False]
    assert not any("Hm" in prompt for prompt in judge.asked)
    assert json.loads(pl.read_parquet_metadata(tmp_path / "out.parquet")["flagged"])["unclosed_reasoning"] == 1
    assert "1 unclosed_reasoning)" in capsys.readouterr().err
    check_stances(found)
    estimate = estimate_stances([tmp_path / "0.parquet"], judge_of_nothing(), TARGETS, tmp_path / "none.jsonl")
    assert (estimate.answers, estimate.asked) == (4, 3)


def judge_of_nothing():
    judge = Counting()
    judge.estimate = lambda prompts, journal: len(list(prompts))
    return judge


def test_a_text_is_judged_once_and_every_row_gets_its_own_stance(tmp_path):
    judge = Counting()
    found = judged([generations(), generations(2)], tmp_path, judge)
    assert set(judge.asked.values()) == {1}
    assert len(judge.asked) == len(set(ANSWERS))
    lengths = [len(f"Wind farms ?\n{answer}\nOn {TARGETS['climate']}:") for answer in ANSWERS] * 2
    assert found["p_support"].to_list() == [None if n % 7 == 0 else 1 / n for n in lengths]


def test_nothing_is_judged_again_until_its_target_changes(tmp_path):
    tables = [generations(), generations(topic="work")]
    judge, again = Counting(), Counting()
    first = judged(tables, tmp_path, judge)
    assert len(judge.asked) == 2 * len(set(ANSWERS)), "the same answer on another topic is another text"
    assert judged(tables, tmp_path, again).equals(first)
    assert not again.asked
    edited = Counting()
    judged(tables, tmp_path, edited, TARGETS | {"work": "a day off"})
    assert len(edited.asked) == len(set(ANSWERS))
    assert all("a day off" in prompt for prompt in edited.asked)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    tables = [generations(answers=[f"answer {'x' * i}" for i in range(50)])]
    with pytest.raises(Interrupted):
        judged(tables, tmp_path, Counting(allowed=20))
    assert not (tmp_path / "out.parquet").exists()
    judge = Counting()
    found = judged(tables, tmp_path, judge)
    assert judge.asked.total() == 30
    (tmp_path / "whole").mkdir()
    assert found.equals(judged(tables, tmp_path / "whole", Counting()))


def test_flagged_answers_are_counted_and_left_open(tmp_path, capsys):
    found = judged([generations(answers=["x" * i for i in range(50)])], tmp_path, Counting())
    flagged = found.filter(pl.col("flag") == "unassigned")
    assert 0 < flagged.height < 50
    assert flagged.select(PROBABILITIES).null_count().row(0) == (flagged.height,) * 3
    assert found.filter(pl.col("flag").is_null()).select(PROBABILITIES).null_count().row(0) == (0, 0, 0)
    metadata = pl.read_parquet_metadata(tmp_path / "out.parquet")
    assert json.loads(metadata["flagged"]) == {"unassigned": flagged.height}
    assert (metadata["prompt_tokens"], metadata["completion_tokens"]) == ("5000", "50")
    assert float(metadata["dollars"]) == pytest.approx(0.5)
    assert f"without a stance: {flagged.height} ({flagged.height} unassigned)" in capsys.readouterr().err


def test_standard_errors_are_of_shares_and_only_of_shares(tmp_path):
    class Sampled(Counting):
        def judgement(self, records):
            n = (0, 1, 10)[records[0]["length"] % 3]
            p = (0.2, 0.8, 0.0) if n == 10 else (1.0, 0.0, 0.0)
            return Judgement(p if n else None, 0.0, 0.0, n, None if n else "unassigned", 1.0, 1, 1, 0.0)

    found = judged([generations(answers=["x" * i for i in range(3)])], tmp_path, Sampled()).sort("samples")
    assert found["samples"].to_list() == [0, 1, 10]
    assert found["p_support_se"].to_list()[:2] == [None, None]
    assert found["p_support_se"][2] == pytest.approx(np.sqrt(0.16 / 9))
    assert found["p_oppose_se"][2] == 0


def test_no_answers_give_no_stances(judge_folder, tmp_path):
    judge = open_judge(JudgeSettings(prompt="pocket", chat=False), judge_folder)
    found = judged([generations().clear()], tmp_path, judge)
    assert found.schema == {**generations().schema, **COLUMNS}
    assert found.is_empty()


def test_what_judging_would_take_is_known_before(tmp_path):
    llm = LlmSettings(backend="http", model="m", url="http://127.0.0.1:9/v1", input_price=1000.0, output_price=0.0)
    judge = open_judge(JudgeSettings(prompt="stance", llm=llm))
    generations().write_parquet(tmp_path / "answers.parquet")
    arguments = [tmp_path / "answers.parquet"], judge, TARGETS, tmp_path / "journal"
    before = estimate_stances(*arguments)
    assert (before.answers, before.asked.requests, before.asked.to_send) == (6, 5, 5)
    assert before.asked.dollars == pytest.approx(before.asked.input_tokens / 1000)
    assert before.asked.dollars_batch == pytest.approx(before.asked.dollars / 2)
    with Journal(tmp_path / "journal") as store:
        prompt = fill_judge_prompt(judge.template, "Wind farms ?", "Yes .", TARGETS["climate"])
        store.append(judge.keys(prompt)[0], value_of(ChatReply("support", "stop", 1, 1, 0.1), 0.0))
    after = estimate_stances(*arguments)
    assert (after.asked.requests, after.asked.to_send) == (5, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.parquet", "journal"], "nothing is written"


def test_a_topic_without_target_is_named_before_anything_is_judged(tmp_path):
    judge = Counting()
    with pytest.raises(ConfigError, match=r"topics\.work"):
        judged([generations(), generations(topic="work")], tmp_path, judge, {"climate": "x"})
    assert not judge.asked


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("answer"), "the columns answer as well"),
        (lambda t: t.with_columns(flag=1), "without the columns that judging adds"),
        (lambda t: t.with_columns(step=pl.lit("1")), r"the columns of .*0\.parquet"),
        (lambda t: t.with_columns(answer=pl.when(pl.col("sample") > 0).then("answer")), "a text in each"),
    ],
)
def test_a_file_that_cannot_be_judged_is_named_and_nothing_is_written(tmp_path, change, message):
    judge = Counting()
    with pytest.raises(ArtifactError, match=rf"1\.parquet.*{message}"):
        judged([generations(), change(generations(2))], tmp_path, judge)
    assert not judge.asked
    assert not (tmp_path / "out.parquet").exists()


def test_the_true_stance_is_kept_but_not_read(tmp_path):
    rows = pl.DataFrame({"topic": "climate", "question": "Wind farms ?", "answer": ["Yes .", "No ."]})
    labels = [["support", "oppose"], ["oppose", "neutral"]]
    found = [
        judge_table(rows.with_columns(true_stance=pl.Series(t)), Counting(), TARGETS, tmp_path / "journal")
        for t in labels
    ]
    assert [table["true_stance"].to_list() for table in found] == labels
    assert found[0].drop("true_stance").equals(found[1].drop("true_stance"))
