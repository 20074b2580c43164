"""Plans: sums, money, waiting, corrections by finished jobs, the budget, and the guard's predictions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from valuedrift.config.schema import Budget
from valuedrift.errors import ConfigError
from valuedrift.workflow.job_costs import JobCosts, Work
from valuedrift.workflow.job_graph import Job
from valuedrift.workflow.job_sizes import MEASURED, Sizes
from valuedrift.workflow.plan import (
    Estimate,
    OverBudget,
    corrections,
    estimate,
    make_plan,
    require_budget,
    wall_seconds,
)
from valuedrift.workflow.plan_text import plan_text
from valuedrift.workflow.project import Project
from valuedrift.workflow.project_judges import ChatModel
from valuedrift.workflow.run_guard import save_predictions

DPO, SIMPO, GPU = (
    Job("dpo", "pocket/sft-wildchat/dpo-ultrafeedback"),
    Job("simpo", "pocket/sft-wildchat/simpo-ultrafeedback"),
    Job("dpo", "qwen3_4b/sft-wildchat/dpo-ultrafeedback"),
)
Finish = Callable[..., None]


def planned(stage: str, seconds: float = 3600, retrained: bool = False, gpus: int = 1, **work: Any) -> Estimate:
    job = Job(stage, f"pocket/{stage}", gpus, retrained)
    return Estimate(job, Work(**{"device": "gpu", "seconds": seconds, **work}), seconds)


def asking(stage: str, **settings: Any) -> Estimate:
    llm = ChatModel("far", {"backend": "http", "model": "m", "input_price": 2.0, "output_price": 8.0, **settings})
    return planned(stage, device="network", llm=llm, requests=1000, read=1e6, written=5e5)


def test_stages_are_summed_in_the_order_in_which_they_run() -> None:
    estimates = [planned("sft", tokens=5), planned("stances", device="cpu"), planned("sft", tokens=7)]
    plan = make_plan(["all"], estimates)
    assert list(plan.stages) == ["sft", "stances"]
    assert (plan.stages["sft"].jobs, plan.stages["sft"].tokens, plan.stages["sft"].gpu_hours) == (2, 12, 2.0)
    assert (plan.total.jobs, plan.total.gpu_hours, plan.total.cpu_hours) == (3, 2.0, 1.0)


def test_the_peak_of_the_disk_has_the_largest_resume_point_once() -> None:
    plan = make_plan([], [planned("sft", kept=10, passing=5), planned("dpo", kept=20, passing=7)])
    assert (plan.disk_final, plan.disk_peak) == (30, 37)


@pytest.mark.parametrize(("backend", "own"), [("http", 6.0), ("batch", 3.0)])
def test_dollars_are_given_for_the_synchronous_api_and_for_batches(backend: str, own: float) -> None:
    total = make_plan([], [asking("stances", backend=backend)]).total
    assert (total.dollars, total.dollars_sync, total.dollars_batch) == (own, 2.0 + 4.0, 3.0)


@pytest.mark.parametrize(
    ("limits", "hours"),
    [
        ({}, 0),
        ({"requests_per_minute": 10}, 2 * 100 / 60),
        ({"requests_per_minute": 10, "tokens_per_minute": 1000}, 2 * 1500 / 60),
        ({"backend": "batch"}, 24),
        ({"backend": "batch", "batch_tokens": 600_000}, 5 * 24),
    ],
)
def test_rate_limits_impose_a_waiting_time_on_all_jobs_together(limits: dict[str, Any], hours: float) -> None:
    plan = make_plan([], [asking(stage, **limits) for stage in ("stances", "judge_data")])
    assert plan.waiting_hours == {"far": pytest.approx(hours)}


def test_a_plan_above_the_budget_names_the_numbers_and_the_keys() -> None:
    plan = make_plan([], [planned("sft", 10800), asking("stances")])
    require_budget(plan, Budget())
    require_budget(plan, Budget(gpu_hours=3, dollars=6))
    hours = r"about 3 gpu hours, and budget\.gpu_hours is 2\. .* Raise budget\.gpu_hours in"
    with pytest.raises(OverBudget, match=hours):
        require_budget(plan, Budget(gpu_hours=2, dollars=6))
    with pytest.raises(OverBudget, match=r"about 6 dollars, .* Raise budget\.dollars in"):
        require_budget(plan, Budget(dollars=5.9))


def test_finished_jobs_correct_the_speed_of_others(costs: JobCosts, finish: Finish) -> None:
    before = estimate([DPO, SIMPO, GPU], costs.sizes)
    done = Job("dpo", "pocket/sft-wildchat/dpo-synthetic-support")
    finish(done.key, 3 * costs.work(done).seconds)
    dpo, simpo, gpu = estimate([DPO, SIMPO, GPU], costs.sizes)
    assert dpo.seconds == pytest.approx(3 * before[0].seconds)
    # Another stage on the same device is assumed to be as slow; a GPU's speed doesn't follow from a CPU's.
    assert simpo.seconds == pytest.approx(3 * before[1].seconds)
    assert gpu.seconds == before[2].seconds
    assert [one.measured for one in (before[0], dpo, simpo, gpu)] == [False, True, False, False]


def test_measured_speeds_replace_those_of_the_package(costs: JobCosts, tmp_path: Path) -> None:
    before = costs.work(GPU)
    (tmp_path / "results").mkdir()
    (tmp_path / MEASURED).write_text("gpu: {training: 3.5e+15, scoring: 3.0e+15}")
    after = JobCosts(Sizes(costs.project, tmp_path)).work(GPU)
    start = costs.rates["gpu"]["start"]
    assert after.seconds - start == pytest.approx((before.seconds - start) / 10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tpu: {training: 1}", "tpu': found {'training': 1}, expected gpu or cpu"),
        ("gpu: {trainig: 1}", "gpu.trainig': found 1, expected a positive number, for start, training, scoring"),
        ("gpu: {training: 0}", "gpu.training': found 0, expected a positive number"),
        ("gpu: {training: fast}", "gpu.training': found 'fast', expected a positive number"),
    ],
)
def test_measured_speeds_are_checked(project: Project, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / MEASURED).write_text(text)
    with pytest.raises(ConfigError) as error:
        JobCosts(Sizes(project, tmp_path))
    assert said in str(error.value)


def test_corrections_leave_out_what_is_to_run_again_or_no_longer_configured(costs: JobCosts, finish: Finish) -> None:
    finish(DPO.key, 5)
    finish("dpo/gone/sft-wildchat/dpo-ultrafeedback", 5)
    assert corrections(costs) == dict.fromkeys([("dpo", "cpu"), ("", "cpu")], 5 / costs.work(DPO).seconds)
    assert corrections(costs, {DPO.key}) == {}


def test_seconds_on_several_gpus_are_added_up(costs: JobCosts, finish: Finish, tmp_path: Path) -> None:
    save_predictions([planned("sft", 20, gpus=1)], tmp_path / "results/predictions.json")
    save_predictions([Estimate(Job(GPU.stage, GPU.name, 8), Work("gpu", 1), 1)], tmp_path / "results/predictions.json")
    assert set(json.loads((tmp_path / "results/predictions.json").read_text())) == {"sft/pocket/sft", GPU.key}
    finish(GPU.key, 100)
    assert corrections(costs)["dpo", "gpu"] == pytest.approx(800 / costs.work(GPU).seconds)


def test_people_read_the_stages_what_is_retrained_and_the_budget() -> None:
    plan = make_plan(["x"], [planned("sft", 7200, retrained=True, kept=3e12), planned("dpo", device="cpu")])
    text = plan_text(replace(plan, disk_free=2e12), Budget(gpu_hours=5))
    assert "sft pocket/sft: about 2 h 00 min (GPU)" in text
    assert "dpo pocket/dpo:" not in text
    assert re.search(r"^total +2 +2 h 00 min +1 h 00 min ", text, flags=re.MULTILINE)
    assert "time: about 2 h 00 min on this machine, which has " in text
    assert "disk: 3.0 TB more in the end, 3.0 TB at most; 2.0 TB are free, which is too little\n" in text
    assert "; 4.0 TB are free\n" in plan_text(replace(plan, disk_free=4e12), Budget())
    assert "budget.gpu_hours: 5" in text
    assert plan_text(make_plan(["x"], []), Budget()) == "Nothing is left to run."


def test_the_wall_clock_has_parallel_jobs_and_dependencies() -> None:
    def job(name: str, seconds: float, *after: str, device: str = "cpu", gpus: int = 1) -> Estimate:
        return Estimate(Job(name, "x", gpus, False, tuple(f"{one}/x" for one in after)), Work(device, 1), seconds)

    data = [job("a", 10), job("b", 20), job("c", 30)]
    assert wall_seconds(data, cores=1, gpus=1) == 60
    assert wall_seconds(data, cores=3, gpus=1) == 30
    chain = [*data, job("d", 5, "c"), job("e", 7, "a", "d")]
    assert wall_seconds(chain, cores=3, gpus=1) == 42
    on_gpus = [job("f", 80, device="gpu", gpus=8), job("g", 40, device="gpu"), job("h", 30, "f", device="gpu")]
    assert wall_seconds(on_gpus, cores=1, gpus=8) == 80 / 8 + 40
    assert wall_seconds(on_gpus, cores=1, gpus=1) == 150
    assert wall_seconds([], cores=1, gpus=1) == 0


def test_programs_read_the_same() -> None:
    read = json.loads(json.dumps(make_plan(["x"], [planned("sft", 7200, retrained=True)]).as_dict()))
    assert read["total"]["gpu_hours"] == 2.0
    assert read["retrained"] == [{"job": "sft/pocket/sft", "gpu_hours": 2.0, "cpu_hours": 0.0}]
