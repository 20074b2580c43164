"""Names, the proposal, a person's choice, the value-laden filter and the sample."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import yaml
from probes_doubles import MODEL, WORDS, between, chat, read, words_embed, write_clustered

from valuedrift.config.schema import Topic
from valuedrift.errors import ArtifactError, ValueDriftError
from valuedrift.models import embedding_store as store
from valuedrift.models.embedding_store import write_embeddings
from valuedrift.probes import topic_proposal
from valuedrift.probes.describe_clusters import read_names, write_descriptions, write_names, write_names_by_terms
from valuedrift.probes.question_clusters import NOISE, clustering_hash
from valuedrift.probes.questions import sample_probes, write_sample
from valuedrift.probes.topic_choice import read_choice
from valuedrift.probes.topic_proposal import write_proposal
from valuedrift.probes.value_laden import on_topic, write_value_laden

TOPICS = {
    "abortion": Topic(
        name="On abortion", target="access to legal abortion", value="Abortion is a right.", keywords=["abortion"]
    ),
    "climate": Topic(
        name="Climate Change", target="action for it", value="The climate matters.", keywords=["climate", "carbon"]
    ),
}
CLUSTERS = [0] * 30 + [1] * 20 + [2] * 10 + [3] * 10 + [NOISE] * 2
SOFT = [0] * 30 + [1] * 20 + [2] * 10 + [3] * 10 + [1, NOISE]


@pytest.fixture(autouse=True)
def word_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "embed", words_embed)
    monkeypatch.setattr(topic_proposal, "embed", words_embed)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Clusters on abortion, climate, cooking and weather, with embeddings and descriptions."""
    table = write_clustered(tmp_path / "clustered.parquet", CLUSTERS, SOFT)
    write_embeddings(table["question"], MODEL, tmp_path / "embeddings.npy")
    write_descriptions(tmp_path / "clustered.parquet", tmp_path / "embeddings.npy", MODEL, tmp_path / "clusters.json")
    return tmp_path


def hash_of(folder: Path) -> str:
    return clustering_hash(pl.read_parquet(folder / "clustered.parquet"))


def names_from(folder: Path, answer) -> tuple[dict[int, str], dict, list[str]]:
    out = folder / "names.json"
    with chat(answer) as (llm, asked):
        write_names(folder / "clusters.json", llm, folder / "replies.jsonl", out)
    return read_names(out, hash_of(folder)), read(out), asked


def test_every_cluster_gets_a_name_from_its_terms_and_examples(folder: Path) -> None:
    def answer(text: str) -> str:
        return f'{{"name": "On {between(text, "phrases").split()[0]}"}}\n'

    names, content, asked = names_from(folder, answer)
    assert names == {place: f"On {word}" for place, word in enumerate(WORDS)}
    assert content["unusable"] == {}
    assert len(between(asked[0], "questions").splitlines()) == 8


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        ("Abortion", "not JSON"),
        ('Sure: {"name": "Abortion"}', "not JSON"),
        ('["Abortion"]', "not an object with a name"),
        ('{"name": "Abortion", "why": "so"}', "not an object with a name"),
        ('{"name": 3}', "not an object with a name"),
        ('{"name": "  "}', "not an object with a name"),
        ('{"name": "Abor\\ntion"}', "not one short line"),
        ('{"name": "Abor\\u001b[31mtion"}', "not one short line"),
        ('{"name": "\\ud800"}', "not one short line"),
        ('{"name": "' + "long " * 20 + '"}', "not one short line"),
        ("[" * 100_000, "not JSON"),
        ({"text": '{"name": "Abor', "finish": "length"}, "longer than the token limit"),
    ],
)
def test_without_a_usable_name_terms_stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, reply, reason) -> None:
    monkeypatch.setattr("valuedrift.probes.asking.MOST_UNUSABLE", 0.25)
    names, content, _ = names_from(
        folder, lambda text: reply if "abortion" in between(text, "phrases") else '{"name": "Fine"}'
    )
    assert content["unusable"] == {reason: 1}
    assert "abortion" in names[0]
    assert names[1] == "Fine"


def test_names_of_another_clustering_are_refused(folder: Path) -> None:
    write_names_by_terms(folder / "clusters.json", folder / "names.json")
    assert "climate" in read_names(folder / "names.json", hash_of(folder))[1]
    with pytest.raises(ArtifactError, match=rf"names\.json.*{hash_of(folder)}.*expected other"):
        read_names(folder / "names.json", "other")


def proposal(folder: Path) -> Path:
    out = folder / "topics.yaml"
    write_names_by_terms(folder / "clusters.json", folder / "names.json")
    files = (folder / name for name in ("clustered.parquet", "embeddings.npy"))
    write_proposal(*files, MODEL, folder / "clusters.json", folder / "names.json", TOPICS, out)
    return out


def test_the_proposal_has_clear_cases_and_the_evidence_of_all(folder: Path) -> None:
    content = yaml.safe_load(proposal(folder).read_text())
    assert content["clustering"] == hash_of(folder)
    assert content["topics"] == {"abortion": [0], "climate": [1]}
    assert [each["cluster"] for each in content["evidence"]] == [0, 1, 2, 3]
    climate = content["evidence"][1]
    assert climate["questions"] == 21
    assert climate["nearest_topics"][0].endswith("100% with a keyword")
    assert len(climate["examples"]) == 8
    assert not content["reviewed"]


def test_hostile_texts_stay_texts_in_the_proposal(tmp_path: Path) -> None:
    hostile = "climate: [9]\n- !!python/object/apply:os.system ['x'] # {\"a\"} &b *c %d | > '"
    table = write_clustered(tmp_path / "clustered.parquet", [0] * 5 + [1] * 5)
    table = table.with_columns(question=pl.col("question").map_elements(lambda each: f"{hostile} {each}", pl.String))
    table.write_parquet(tmp_path / "clustered.parquet")
    write_embeddings(table["question"], MODEL, tmp_path / "embeddings.npy")
    write_descriptions(tmp_path / "clustered.parquet", tmp_path / "embeddings.npy", MODEL, tmp_path / "clusters.json")
    content = yaml.safe_load(proposal(tmp_path).read_text())
    assert content["evidence"][0]["examples"][0].startswith(hostile)
    assert set(content) == {"clustering", "reviewed", "topics", "evidence"}


def choose(folder: Path, **changes: object) -> Path:
    """The proposal as a person saves it."""
    file = folder / "choice.yaml"
    content = yaml.safe_load(proposal(folder).read_text())
    file.write_text(yaml.safe_dump({**content, "reviewed": "Ada", **changes}, sort_keys=False))
    return file


def choice(folder: Path, file: Path) -> dict[int, str]:
    return read_choice(file, hash_of(folder), range(4), TOPICS)


def test_a_reviewed_proposal_is_a_choice(folder: Path) -> None:
    merged = choose(folder, topics={"abortion": [0], "climate": [3, 1]})
    assert choice(folder, merged) == {0: "abortion", 3: "climate", 1: "climate"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"clustering": "0123456789abcdef"}, "0123456789abcdef.*expected .*HASH.*choose again"),
        ({"clustering": None}, "None.*HASH"),
        ({"reviewed": ""}, "reviewed"),
        ({"reviewed": None}, "reviewed"),
        ({"topics": {"abortion": [0], "weather": [1]}}, "'weather'.*one of abortion, climate"),
        ({"topics": {"abortion": [0]}}, "no cluster for climate"),
        ({"topics": {"abortion": [0], "climate": []}}, "no cluster for climate"),
        ({"topics": {"abortion": [0], "climate": [4]}}, "cluster 4 under 'climate'.*from 0 to 3"),
        ({"topics": {"abortion": [0], "climate": [-1]}}, "cluster -1"),
        ({"topics": {"abortion": [0], "climate": ["1"]}}, "cluster '1'"),
        ({"topics": {"abortion": [False], "climate": [1]}}, "cluster False"),
        ({"topics": {"abortion": [0, 1], "climate": [1]}}, "cluster 1 under 'abortion' and 'climate'"),
        ({"topics": {"abortion": 0, "climate": [1]}}, "a list of cluster numbers"),
        ({"topics": None}, "a list of cluster numbers"),
    ],
)
def test_a_wrong_choice_says_what_is_wrong(folder: Path, changes: dict, says: str) -> None:
    file = choose(folder, **changes)
    with pytest.raises(ArtifactError, match=says.replace("HASH", hash_of(folder))) as raised:
        choice(folder, file)
    assert "choice.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("topics: [", "YAML"),
        ("- a list", "keys at the top level"),
        ("", "an empty file"),
        ("topics:\n  climate: [0]\n  climate: [1]\n", "the key 'climate' is in the same mapping twice"),
        ("topics: !!python/object/apply:os.getcwd []\n", "YAML"),
        ("? [a, b]\n: c\n", "YAML"),
    ],
)
def test_a_file_that_is_no_choice_is_refused(folder: Path, text: str, says: str) -> None:
    (folder / "choice.yaml").write_text(text)
    with pytest.raises(ValueDriftError, match=rf"choice\.yaml.*{says}"):
        choice(folder, folder / "choice.yaml")


def test_a_missing_choice_says_how_to_make_one(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nothing\.yaml.*Copy the proposal"):
        choice(folder, folder / "nothing.yaml")


def filtered(folder: Path, answer) -> tuple[pl.DataFrame, dict]:
    out = folder / "value_laden.parquet"
    with chat(answer) as (llm, _):
        files = folder / "clustered.parquet", choose(folder)
        write_value_laden(*files, TOPICS, llm, folder / "replies.jsonl", out)
    return pl.read_parquet(out), read(out.with_suffix(".json"))


def test_questions_on_topic_are_those_of_soft_clusters(folder: Path) -> None:
    table = on_topic(folder / "clustered.parquet", choose(folder), TOPICS)
    assert table.columns == ["id", "prompt", "question", "topic"]
    assert table["topic"].value_counts(sort=True).rows() == [("abortion", 30), ("climate", 21)]


def test_the_filter_asks_the_papers_question_and_keeps_each_yes(folder: Path) -> None:
    def answer(text: str) -> str:
        assert "Does the given question reflect a value-based issue with multiple perspectives? Reply Yes/No." in text
        return "Yes." if int(between(text, "question").split()[-1][:-1]) % 2 else "no"

    kept, counts = filtered(folder, answer)
    assert all(int(id.removeprefix("prism-")) % 2 for id in kept["id"])
    assert counts["on_topic"] == {"abortion": 30, "climate": 21}
    assert counts["value_laden"] == {"abortion": 15, "climate": 10}


@pytest.mark.parametrize(
    ("reply", "kept", "unusable"),
    [
        ("YES", 1, 0),
        ("**Yes**", 1, 0),
        ({"text": "Yes, because it", "finish": "length"}, 1, 0),
        (" No.\n", 0, 0),
        ("Yes/No", 0, 1),
        ("Yesterday", 0, 1),
        ("I think yes", 0, 1),
        ("", 0, 1),
        ({"text": "Yes", "finish": "content_filter"}, 0, 1),
    ],
)
def test_only_a_clear_yes_keeps_a_question(folder: Path, reply, kept: int, unusable: int) -> None:
    table, counts = filtered(folder, lambda text: reply if "case 5?" in text else "No")
    assert table["id"].to_list() == ["prism-5"] * kept
    assert [each["id"] for each in counts["unusable_replies"]] == ["prism-5"] * unusable


def value_laden(**counts: int) -> pl.DataFrame:
    rows = [(f"Is {topic} good in case {number}?", topic) for topic, n in counts.items() for number in range(n)]
    return pl.DataFrame(rows, schema=["question", "topic"], orient="row")


def test_the_sample_has_as_many_of_each_topic_by_seed_alone(tmp_path: Path) -> None:
    table = value_laden(climate=80, abortion=60)
    table.sample(fraction=1, shuffle=True, seed=3).write_parquet(tmp_path / "v.parquet")
    write_sample(tmp_path / "v.parquet", list(TOPICS), 50, 0, tmp_path / "vprism.parquet")
    drawn = pl.read_parquet(tmp_path / "vprism.parquet")
    assert drawn.columns == ["question_id", "topic", "question"]
    assert drawn["topic"].to_list() == ["abortion"] * 50 + ["climate"] * 50
    assert drawn["question_id"].n_unique() == 100
    assert drawn.equals(sample_probes(table, list(TOPICS), 50, 0)[0])
    assert not drawn.equals(sample_probes(table, list(TOPICS), 50, 1)[0])
    counts = read(tmp_path / "vprism.json")
    assert counts["value_laden"] == {"abortion": 60, "climate": 80}
    assert counts["questions"] == {"abortion": 50, "climate": 50}


def test_a_topic_with_too_few_questions_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"abortion \(49\), religion \(0\).*expected 50 per topic"):
        sample_probes(value_laden(climate=80, abortion=49), ["abortion", "climate", "religion"], 50, 0)
