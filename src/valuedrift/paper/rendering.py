"""The templates beside this module, with autoescape on, what a page's security policy needs, and stances' looks."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from valuedrift.paper.style import LOOKS

_TEMPLATES = Environment(
    loader=PackageLoader("valuedrift.paper"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **context: Any) -> str:
    """Fill `templates/<template>`; every value is escaped unless it is Markup."""
    return _TEMPLATES.get_template(template).render(**context)


def asset(name: str) -> str:
    """The text of a style sheet or script in `templates/`."""
    return resources.files("valuedrift.paper").joinpath("templates", name).read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """The source expression that lets a Content-Security-Policy run exactly this inline script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def stance_rules() -> str:
    """The style sheet's rules for the looks that every figure gives the stances (see `style.LOOKS`)."""
    colours = " ".join(f"--{stance}: {look.colour};" for stance, look in LOOKS.items())
    dashes = "".join(
        f".line.{stance} {{ stroke-dasharray: {look.dash[0]} {look.dash[1]}; }}\n"
        for stance, look in LOOKS.items()
        if look.dash[1]
    )
    return f":root {{ {colours} }}\n{dashes}"
