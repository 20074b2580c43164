import pytest

from valuedrift.config.data_sets import DataSettings, HubSource
from valuedrift.data_formats.formats import FORMATS
from valuedrift.errors import ConfigError

VALUES = {"name": "alpaca", "title": "Alpaca", "licence": "CC BY-NC 4.0", "format": "alpaca", "rows": 46_801}
FILES = {"files": ["$VALUEDRIFT_DATA/alpaca.json"]}
HUB = {"name": "tatsu-lab/alpaca", "revision": "dce01c9b08f87459cf36a430d809084718273017", "split": "train"}


def test_files_and_defaults():
    settings = DataSettings.read(VALUES | FILES)
    assert settings.source == "$VALUEDRIFT_DATA/alpaca.json"
    assert (settings.duplicates, settings.empty_answers, settings.validation) == ("drop", "drop", 0)
    assert (settings.sample, settings.hub) == (None, None)


def test_hub():
    settings = DataSettings.read({**VALUES, "hub": HUB})
    assert settings.hub == HubSource(**HUB)
    assert settings.source == f"tatsu-lab/alpaca at revision {HUB['revision']}, split train"


def test_the_formats_of_the_configuration_are_those_that_can_be_read():
    for name in FORMATS:
        assert DataSettings.read({**VALUES, **FILES, "format": name}).format == name
    with pytest.raises(ConfigError) as caught:
        DataSettings.read({**VALUES, **FILES, "format": "alpacca"})
    assert caught.value.expected.count("'") == 2 * len(FORMATS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rows", "46801"),
        ("sample", 1.5),
        ("validation", 1),
        ("validation", "10 %"),
        ("files", []),
        ("files", "a.json"),
        ("title", ""),
        ("licence", None),
        ("row", 3),
        ("duplicates", "Keep"),
        ("empty_answers", True),
    ],
)
def test_a_wrong_value_is_named(key, value):
    with pytest.raises(ConfigError, match=f"'{key}'"):
        DataSettings.read({**VALUES, **FILES, key: value})


@pytest.mark.parametrize(
    ("hub", "key"),
    [("tatsu-lab/alpaca", "hub"), ({**HUB, "revision": ""}, "hub.revision"), ({**HUB, "token": "x"}, "hub.token")],
)
def test_a_wrong_hub_is_named(hub, key):
    with pytest.raises(ConfigError, match=f"'{key}'"):
        DataSettings.read({**VALUES, "hub": hub})
