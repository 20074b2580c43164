"""Fill HTML and LaTeX templates, and hash scripts for a page's security policy."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_LAYOUT: dict[str, Any] = {
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}
# LaTeX uses braces and comment signs itself, so its templates have other delimiters.
_LATEX = {"block_start_string": "<%", "block_end_string": "%>", "variable_start_string": "<<"}
_LATEX |= {"variable_end_string": ">>", "comment_start_string": "<#", "comment_end_string": "#>"}


def render(package: str, template: str, **context: Any) -> str:
    """Fill the HTML template `templates/<template>` of a package; every value is escaped unless it is Markup."""
    return _environment(package, autoescape=True).get_template(template).render(**context)


def render_latex(template: str, **context: Any) -> str:
    """Fill the LaTeX template `templates/<template>` of this package; the values must be escaped already."""
    return _environment("valuedrift.paper", autoescape=False).get_template(template).render(**context)


def script_hash(script: str) -> str:
    """Return the source expression with which a Content-Security-Policy allows exactly this inline script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


@cache
def _environment(package: str, autoescape: bool) -> Environment:
    delimiters: dict[str, Any] = {} if autoescape else _LATEX
    return Environment(loader=PackageLoader(package), autoescape=autoescape, **_LAYOUT, **delimiters)
