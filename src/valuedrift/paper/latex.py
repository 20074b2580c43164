"""Convert any text to LaTeX that works with every engine and font encoding."""

from __future__ import annotations

import re
import unicodedata

_MATH = ("-", r"\pm", r"\times", r"\leq", r"\geq", r"\rightarrow", r"\langle", r"\rangle", r"\beta", r"\gamma", r"\eta")
_SPECIAL = {
    **{character: rf"\{character}" for character in "{}$&#_%"},
    **{character: f"{{{character}}}" for character in "[]"},
    **{character: f"${name}$" for character, name in zip("−±×≤≥→⟨⟩βγη", _MATH, strict=True)},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "•": r"\textbullet{}",
    '"': "''",
    "`": r"{\char96}",  # the default encoding has no straight quotation mark
    "—": "---",
    "–": "--",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "§": r"\S{}",
    "°": r"$^\circ$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
_ACCENTS = dict(
    zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327", "`'^~=u.\"rHvc", strict=True)
)
_LONGEST_WORD = 30
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD}}}(?=\S)")
_BREAK = "\ue000"  # a private-use character, which has no meaning in texts


def latex_text(text: str) -> str:
    """Return `text` as LaTeX: special characters escaped, control characters dropped, unknown characters spelled out.

    A character that the standard fonts lack becomes, for example, [U+4E2D]. Words of more than 30 characters get points
    where LaTeX may break them.
    """
    breakable = _LONG_WORD.sub(lambda found: f"{found[0]}{_BREAK}", text.replace(_BREAK, ""))
    return "".join(_character(character) for character in breakable)


def _character(character: str) -> str:
    if character == _BREAK:
        return r"\hspace{0pt}"
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else ""
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return rf"\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"{{[}}U+{ord(character):04X}{{]}}" if character.isprintable() else ""
