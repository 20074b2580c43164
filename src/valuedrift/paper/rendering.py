"""HTML pages from the templates of a package, with autoescape on, and what a page's security policy needs."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(package: str, template: str, **context: Any) -> str:
    """Fill `templates/<template>` of a package; every value is escaped unless it is Markup."""
    return _environment(package).get_template(template).render(**context)


def script_hash(script: str) -> str:
    """The source expression that lets a Content-Security-Policy run exactly this inline script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@cache
def _environment(package: str) -> Environment:
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
