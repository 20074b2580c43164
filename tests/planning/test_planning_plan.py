"""Plans: sums, money, waiting, speeds that finished jobs refine, and the budget."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmark_files import write_benchmark
from valuedrift.workflow.plan_commands import remember
from valuedrift.workflow.plan_jobs import Job
from valuedrift.workflow.plan_rates import measure, speeds
from valuedrift.workflow.plan_sizes import Basis
from valuedrift.workflow.plan_stages import PREDICTIONS
from valuedrift.workflow.plan_table import plan_text
from valuedrift.workflow.plan_work import Asked, Work, work_of
from valuedrift.workflow.predicted_and_measured import predicted_and_measured

from valuedrift.workflow.plan import Estimate, OverBudget, dollars, estimate, make_plan, require_budget, waiting_hours

LLM = {"backend": "http", "model": "m", "input_price": 2.0, "output_price": 8.0}
ASKED = Asked("far", 1000, 1e6, 5e5)


def planned(stage: str, seconds: float = 3600, retrained: bool = False, **work: object) -> Estimate:
    job = Job(stage, f"pocket/{stage}", retrained=retrained)
    return Estimate(job, Work(**{"device": "gpu", "seconds": seconds, **work}), seconds, False)  # type: ignore[arg-type]


def test_stages_are_summed_in_the_pipelines_order() -> None:
    estimates = [planned("stances", device="cpu"), planned("sft", tokens=5), planned("sft", tokens=7)]
    plan = make_plan(["all"], estimates, {})
    assert list(plan.stages) == ["sft", "stances"]
    assert (plan.stages["sft"].jobs, plan.stages["sft"].tokens, plan.stages["sft"].gpu_hours) == (2, 12, 2.0)
    assert (plan.total.jobs, plan.total.gpu_hours, plan.total.cpu_hours) == (3, 2.0, 1.0)


def test_disk_at_most_has_the_largest_resume_point_once() -> None:
    plan = make_plan([], [planned("sft", kept=10, passing=5), planned("dpo", kept=20, passing=7)], {})
    assert (plan.disk_final, plan.disk_peak) == (30, 37)


@pytest.mark.parametrize(("backend", "own"), [("http", 6.0), ("batch", 3.0)])
def test_dollars_come_for_both_ways_of_asking(backend: str, own: float) -> None:
    assert dollars(ASKED, LLM) == 2.0 + 4.0
    plan = make_plan(
        [], [planned("stances", device="host", asked=ASKED)], {"llms": {"far": {**LLM, "backend": backend}}}
    )
    assert (plan.total.dollars, plan.total.dollars_sync, plan.total.dollars_batch) == (own, 6.0, 3.0)


def test_rate_limits_impose_the_longer_of_requests_and_tokens() -> None:
    assert waiting_hours([ASKED], LLM) == 0
    assert waiting_hours([ASKED, ASKED], {**LLM, "requests_per_minute": 10}) == pytest.approx(200 / 60)
    both = {**LLM, "requests_per_minute": 10, "tokens_per_minute": 1000}
    assert waiting_hours([ASKED], both) == pytest.approx(1500 / 60)


def test_batches_that_do_not_fit_into_the_queue_wait_for_each_other() -> None:
    assert waiting_hours([ASKED], {**LLM, "backend": "batch"}) == 24
    assert waiting_hours([ASKED], {**LLM, "backend": "batch", "batch_tokens": 600_000}) == 3 * 24


def test_a_plan_above_the_budget_names_the_numbers_and_the_keys() -> None:
    plan = make_plan([], [planned("sft", 7200), planned("stances", asked=ASKED)], {"llms": {"far": LLM}})
    require_budget(plan, {})
    require_budget(plan, {"gpu_hours": 3, "dollars": 6})
    with pytest.raises(
        OverBudget, match=r"about 3 gpu hours, and budget\.gpu_hours is 2\. .* Raise budget\.gpu_hours in"
    ):
        require_budget(plan, {"gpu_hours": 2, "dollars": 6})
    with pytest.raises(OverBudget, match=r"about 6 dollars, .* Raise budget\.dollars in"):
        require_budget(plan, {"dollars": 5.9})


def test_finished_jobs_refine_the_speed_of_the_others(basis: Basis, tmp_path: Path) -> None:
    dpo, simpo, far = (
        Job("dpo", "pocket/sft-wildchat/dpo-ultrafeedback"),
        Job("simpo", "pocket/sft-wildchat/simpo-ultrafeedback"),
        Job("dpo", "qwen3_4b/sft-wildchat/dpo-ultrafeedback"),
    )
    before = {found.job: found for found in estimate([dpo, simpo, far], basis, speeds([]))}
    done = Job("dpo", "pocket/sft-wildchat/dpo-synthetic-support")
    write_benchmark(tmp_path, done.key, 3 * work_of(done, basis).seconds)
    after = {found.job: found for found in estimate([dpo, simpo, far], basis, speeds(measure(basis)))}
    assert after[dpo].seconds == pytest.approx(3 * before[dpo].seconds)
    assert (before[dpo].measured, after[dpo].measured) == (False, True)
    # Another stage on the same machine is taken to be as slow; a GPU's is not known by it.
    assert after[simpo].seconds == pytest.approx(3 * before[simpo].seconds)
    assert not after[simpo].measured
    assert after[far].seconds == before[far].seconds


def test_what_is_to_run_again_does_not_count(basis: Basis, tmp_path: Path) -> None:
    write_benchmark(tmp_path, "dpo/pocket/sft-wildchat/dpo-ultrafeedback", 5)
    write_benchmark(tmp_path, "dpo/gone/sft-wildchat/dpo-ultrafeedback", 5)
    assert len(measure(basis)) == 1
    assert measure(basis, {"dpo/pocket/sft-wildchat/dpo-ultrafeedback"}) == []


def test_a_job_on_several_gpus_counts_as_often(basis: Basis, tmp_path: Path) -> None:
    key = "sft/qwen3_8b/sft-alpaca"
    write_benchmark(tmp_path, key, 100)
    (tmp_path / PREDICTIONS).write_text(json.dumps({key: {"seconds": 1.0, "devices": 8}}))
    assert measure(basis)[0].seconds == 800


def test_a_slow_machine_takes_longer_until_something_is_measured(basis: Basis) -> None:
    cpu, gpu = Job("sft", "pocket/sft-alpaca"), Job("sft", "qwen3_4b/sft-alpaca")
    assert speeds([], slowness=2.5).of(cpu, "cpu") == (2.5, False)
    assert speeds([], slowness=2.5).of(gpu, "gpu") == (1.0, False)


def test_predicted_stands_beside_measured(tmp_path: Path) -> None:
    def expected(name: str, seconds: float, gpus: int = 1) -> Estimate:
        stage, _, rest = name.partition("/")
        return Estimate(Job(stage, rest, gpus), Work("cpu", seconds), seconds, False)

    predictions = tmp_path / "results/predictions.json"
    remember([expected("stances/a", 9), expected("sft/a", 10), expected("sft/b", 20)], predictions)
    remember([expected("sft/b", 30, gpus=2), expected("sft/unfinished", 1000)], predictions)
    write_benchmark(tmp_path, "sft/a", 20)
    write_benchmark(tmp_path, "sft/b", 10)
    write_benchmark(tmp_path, "stances/a", 12)
    write_benchmark(tmp_path, "sft/unforeseen", 1000)
    table = predicted_and_measured(tmp_path / "results/benchmarks")
    assert table.rows() == [("sft", 2, 40.0, 40.0, 1.0), ("stances", 1, 9.0, 12.0, 0.75)]
    assert predicted_and_measured(tmp_path / "elsewhere/benchmarks").height == 0


def test_people_read_what_is_retrained_and_the_budget() -> None:
    plan = make_plan(["x"], [planned("sft", 7200, retrained=True, kept=3e12), planned("dpo", device="cpu")], {})
    text = plan_text(plan, {"gpu_hours": 5})
    assert "sft pocket/sft: about 2 GPU hours" in text
    assert "dpo pocket/dpo:" not in text
    assert "disk: 3 TB more in the end, 3 TB at most" in text
    assert "budget.gpu_hours: 5" in text
    assert plan_text(make_plan(["x"], [], {}), {}) == "Nothing is left to run."


def test_programs_read_the_same(basis: Basis) -> None:
    plan = make_plan(["x"], [planned("sft", 7200, retrained=True)], {})
    read = json.loads(json.dumps(plan.as_dict()))
    assert read["total"]["gpu_hours"] == 2.0
    assert read["retrained"] == [{"job": "sft/pocket/sft", "gpu_hours": 2.0, "cpu_hours": 0.0}]
