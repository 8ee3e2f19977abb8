"""The page itself: one file of HTML with everything in it, readable without a network and without JavaScript."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import spica
from spica.report import sections
from spica.report.findings import Findings
from spica.report.gallery import worst
from spica.report.markup import Markup, element
from spica.report.photos import Picture

# The page asks for nothing, and a browser shall see to it: pictures and styles lie inside, scripts there are none.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_SIGN = "Written by Spica"  # at the foot of every page


def report_page(said: Findings, pictures: Sequence[Picture], subject: str) -> str:
    """Return the page as HTML; `subject` says in words what was evaluated."""
    main = element(
        "main",
        sections.scores(said),
        sections.counts(said),
        sections.thresholds(said),
        sections.reliability(said),
        sections.errors(said),
        worst(pictures),
    )
    return document(f"Wheat heads found by {subject}", sections.headline(said, subject), main, "docs/metric.md")


def document(title: str, header: Markup, main: Markup, source: str) -> str:
    """Return a page as HTML; `source` is the document that defines its numbers."""
    style = Markup(files("spica.report").joinpath("page.css").read_text("utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    footer = element("footer", element("p", f"{_SIGN} {spica.__version__}; {source} defines the numbers."))
    return f"<!DOCTYPE html>\n{element('html', head, element('body', header, main, footer), lang='en')}\n"


def is_page(file: Path) -> bool:
    """Return whether a file is a page that Spica wrote."""
    try:
        return _SIGN.encode() in file.read_bytes()
    except OSError:
        return False
