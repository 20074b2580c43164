"""Thirty answers that would like to be more than text. Each sets `window.canary`, leaves the page, or hides."""

from __future__ import annotations

RUN = "window.canary=1"
HOSTILE = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f'"]}});{RUN};//',
    f"');{RUN};('",
    f"<!--<script>{RUN}//-->",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}><animate onbegin={RUN} attributeName=x dur=1s>",
    f"<body onload={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<details open ontoggle={RUN}>",
    f"<a href=javascript:{RUN}>click</a>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<object data='data:text/html,<script>{RUN}</script>'></object>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<base href=https://evil.example/>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>*{display:none!important;background:url(https://evil.example/)}</style>",
    "</style><style>@import 'https://evil.example/x.css';</style>",
    "red;background:url(https://evil.example/);x:expression(1)",
    f"' onmouseover={RUN} x='",
    f'" onclick={RUN} x="',
    f"{{{{ constructor.constructor('{RUN}')() }}}} {{% include 'x' %}} ${{{RUN}}} <%= 7 * 7 %>",
    "<form action=https://evil.example/><button>send</button></form>",
    f"a\u2028{RUN}\u2029b",
    "\u202egnp.exe \u2066hidden\u2069 \u200b\ufeff",
    "\x00\x1b[31mred\x07",
    f"\\u003cscript\\u003e{RUN}\\u003c/script\\u003e \\",
    "&lt;script&gt; &#60;b&#62; &amp;",
    "A" * 262_144,
    f"{'Z' * 2_000}<img src=x onerror={RUN}>{'😀' * 1_000}",
)
