"""The page as text: templates with autoescape, one block of data, one style and one script, both held to by their digests."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

SCRIPTS = (
    "format.js", "table_model.js", "table_view.js", "scale.js", "chart.js", "hover.js", "painters.js", "painters_rows.js", "details.js",
    "start.js",
)  # fmt: skip
SCRIPT_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def page_text(context: dict[str, Any], data: dict[str, Any]) -> str:
    """The whole page; every text in ``context`` is escaped, ``data`` becomes the block that the script reads.

    The page's security policy allows the one style and the one script of easiedge by their SHA-256 and nothing else, from nowhere else.
    """
    style, script = _asset("page.css"), "\n".join(f"// {name}\n{_asset(name)}" for name in SCRIPTS)
    script = f'"use strict";\n{script}'
    return _environment().get_template("page.html").render(
        **context, style=Markup(style), script=Markup(script), style_hash=_digest(style), script_hash=_digest(script), data=json_block(data)
    )  # fmt: skip


def json_block(data: Any) -> Markup:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(SCRIPT_ESCAPES))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    return files("easiedge.report.page").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("easiedge.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
        lstrip_blocks=False,
    )
