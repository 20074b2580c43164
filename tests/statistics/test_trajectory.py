import json

import pytest

from valuedrift.errors import ConfigError
from valuedrift.statistics.trajectory import Trajectory

ENTRY = {
    "run": "sft-wildchat/dpo-ultrafeedback",
    "algorithm": "dpo",
    "data": "ultrafeedback",
    "sft": "wildchat",
    "start_run": "sft-wildchat",
    "start_step": 600,
    "steps": [100, 200],
}


def test_a_trajectory_starts_at_another_run_s_checkpoint_which_is_shown_as_step_0():
    trajectory = Trajectory.from_dict(json.loads(json.dumps(ENTRY)))
    assert trajectory.checkpoints == (
        ("sft-wildchat", 600),
        ("sft-wildchat/dpo-ultrafeedback", 100),
        ("sft-wildchat/dpo-ultrafeedback", 200),
    )
    assert trajectory.shown_steps == (0, 100, 200)


@pytest.mark.parametrize("steps", [[], [0, 100], [100, 100], [200, 100], [-5]])
def test_steps_that_do_not_ascend_from_above_0_are_refused(steps):
    with pytest.raises(ConfigError, match=r"trajectories\.sft-wildchat/dpo-ultrafeedback\.steps.*ascending"):
        Trajectory.from_dict({**ENTRY, "steps": steps})


@pytest.mark.parametrize("entry", [{**ENTRY, "seed": 1}, {k: v for k, v in ENTRY.items() if k != "sft"}])
def test_an_entry_with_other_keys_is_refused(entry):
    with pytest.raises(ConfigError, match="expected the keys algorithm, data, run, sft, start_run, start_step, steps"):
        Trajectory.from_dict(entry)
