"""The templates beside this module, with autoescape on, and what a page's security policy needs."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=PackageLoader("valuedrift.reporting"),
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
    return resources.files("valuedrift.reporting").joinpath("templates", name).read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """The source expression that lets a Content-Security-Policy run exactly this inline script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
