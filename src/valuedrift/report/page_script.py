"""Join the page's modules into one classic script, because browsers don't load modules from a disk."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from importlib.resources import files

SCRIPT = "report.js"
"""The script's name in the report's folder."""

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(async )?function|const )", re.MULTILINE)


def page_script() -> str:
    """Return the modules in `scripts`, each after those that it imports, in one block.

    In a block of a strict script, two modules can't declare the same name.
    """
    folder = files("valuedrift.report").joinpath("scripts")
    texts = {path.name.removesuffix(".js"): path.read_text(encoding="utf-8") for path in folder.iterdir()}
    order = TopologicalSorter({name: _IMPORT.findall(text) for name, text in sorted(texts.items())}).static_order()
    return '"use strict";\n{\n' + "\n".join(_EXPORT.sub("", _IMPORT.sub("", texts[name])) for name in order) + "}\n"
