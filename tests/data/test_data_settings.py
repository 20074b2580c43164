import pytest

from valuedrift.config.data_sets import DataSettings, HubSource
from valuedrift.errors import ConfigError

VALUES = {
    "name": "alpaca",
    "title": "Alpaca",
    "licence": "CC BY-NC 4.0",
    "format": "alpaca",
    "files": ["$VALUEDRIFT_DATA/alpaca.json"],
    "validation": 0.1,
    "rows": 46_801,
}
HUB = {"name": "tatsu-lab/alpaca", "revision": "dce01c9b08f87459cf36a430d809084718273017", "split": "train"}


def from_hub(hub):
    return {**{key: value for key, value in VALUES.items() if key != "files"}, "hub": hub}


def test_files():
    assert DataSettings.from_dict({**VALUES, "sample": 100}) == DataSettings(
        name="alpaca",
        title="Alpaca",
        licence="CC BY-NC 4.0",
        format="alpaca",
        rows=46_801,
        files=("$VALUEDRIFT_DATA/alpaca.json",),
        sample=100,
        validation=0.1,
    )


def test_hub():
    settings = DataSettings.from_dict(from_hub(HUB))
    assert settings.hub == HubSource(**HUB)
    assert settings.source == f"tatsu-lab/alpaca at revision {HUB['revision']}, split train"


def test_what_to_keep():
    settings = DataSettings.from_dict({**VALUES, "duplicates": "keep", "empty_answers": "keep"})
    assert (settings.duplicates, settings.empty_answers) == ("keep", "keep")
    settings = DataSettings.from_dict({**VALUES, "duplicates": "drop"})
    assert (settings.duplicates, settings.empty_answers) == ("drop", "drop")


def test_sample_and_validation_may_be_left_out():
    values = {key: value for key, value in VALUES.items() if key != "validation"}
    settings = DataSettings.from_dict({**values, "sample": None})
    assert (settings.sample, settings.validation) == (None, 0.0)


@pytest.mark.parametrize("key", ["title", "licence", "format", "rows", "files"])
def test_a_missing_key_is_named(key):
    with pytest.raises(ConfigError, match=rf"data\.alpaca.*{key}"):
        DataSettings.from_dict({name: value for name, value in VALUES.items() if name != key})


def test_a_missing_name():
    with pytest.raises(ConfigError, match=r"data\.name"):
        DataSettings.from_dict({})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "alpacca"),
        ("rows", 0),
        ("rows", True),
        ("rows", "46801"),
        ("rows", 46_801.0),
        ("sample", 0),
        ("sample", 1.5),
        ("validation", 1),
        ("validation", -0.1),
        ("validation", "10 %"),
        ("validation", False),
        ("validation", float("nan")),
        ("files", []),
        ("files", "a.json"),
        ("files", [""]),
        ("files", [3]),
        ("title", " "),
        ("licence", None),
        ("row", 3),
        ("duplicates", "Keep"),
        ("duplicates", None),
        ("duplicates", True),
        ("empty_answers", "kept"),
    ],
)
def test_a_wrong_value_is_named(key, value):
    with pytest.raises(ConfigError, match=rf"'data\.alpaca\.{key}'"):
        DataSettings.from_dict({**VALUES, key: value})


@pytest.mark.parametrize(
    ("hub", "key"),
    [
        ("tatsu-lab/alpaca", "hub"),
        ({**HUB, "revision": ""}, "hub.revision"),
        ({"name": "a", "revision": "b"}, "hub.split"),
        ({**HUB, "token": "x"}, "hub.token"),
    ],
)
def test_a_wrong_hub_is_named(hub, key):
    with pytest.raises(ConfigError, match=rf"'data\.alpaca\.{key}'"):
        DataSettings.from_dict(from_hub(hub))


def test_files_and_hub_exclude_each_other():
    with pytest.raises(ConfigError, match="either 'files' or 'hub'"):
        DataSettings.from_dict({**VALUES, "hub": HUB})
