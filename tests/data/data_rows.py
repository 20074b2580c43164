"""Rows, files of them and their settings, as the tests of data sets make them."""

import json

from valuedrift.config.data_sets import DataSettings
from valuedrift.data.prepare import prepare


def user(text):
    return {"role": "user", "content": text}


def answer(text):
    return {"role": "assistant", "content": text}


def alpaca(**changes):
    return {"instruction": "Name a river.", "input": "", "output": "The Nile.", **changes}


def pair(prompt="Why?", chosen="Because.", rejected="No."):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def settings(path=None, **changes):
    files = {} if path is None else {"files": [str(path)]}
    values = {"name": "mine", "title": "My rows", "licence": "CC0", "format": "alpaca", "rows": 9}
    return DataSettings.read({**values, **files, **changes})


def prepared(folder, rows, /, seed=0, **changes):
    """The card of rows that were written to a file."""
    path = write_jsonl(folder / "rows.jsonl", rows)
    return prepare(settings(path, **{"rows": len(rows), **changes}), seed, folder / "out")
