"""Figures as SVG within a page: text stays text, colours follow the page's theme."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from habitus.report.figures import style

THEME = {
    style.INK: "ink",
    style.MUTED: "muted",
    style.GRID: "grid",
    style.SHADE: "shade",
    style.COLOURS["reference"]: "reference",
    style.COLOURS["generated"]: "generated",
    style.COLOURS["floor"]: "floor",
} | {colour: f"baseline-{place}" for place, colour in enumerate(style.BASELINE_COLOURS)}
"""Colours of the figures -> names of the page's CSS variables."""

SETTINGS: dict[Any, Any] = style.STYLE | {
    "svg.fonttype": "none",
    "svg.hashsalt": "habitus",
    "svg.image_inline": True,
}


def inline_svg(figure: Figure, *, alt: str, key: str) -> Markup:
    """Draw a figure as an <svg> element.

    Args:
        figure: What to draw.
        alt: What it shows, for those who cannot see it.
        key: Distinguishes the ids in it from those of other figures on the page.
    """
    text = _body(_draw(figure))
    used = set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', text))
    # Only within tags: a channel may be called anything.
    text = re.sub(r"<[^<>]+>", lambda tag: _adapted(tag[0], key, used), text)
    width, height = (f"{72 * side:g}" for side in figure.get_size_inches())
    box = f'viewBox="0 0 {width} {height}"'
    opening = f'<svg {box} role="img" aria-label="{escape(alt)}" style="max-width: 100%">'
    return Markup(opening + text)


def _draw(figure: Figure) -> str:
    """The figure as an SVG file, without a date, so that the same numbers give the same file."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # The reader's browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(file, format="svg", metadata=nothing, transparent=True)
    return file.getvalue()


def _body(text: str) -> str:
    """Content of the <svg> element: a page needs no prolog, no namespaces and no document type."""
    return text[text.index(">", text.index("<svg")) + 1 :].strip()


def _adapted(tag: str, key: str, used: set[str]) -> str:
    """A tag with the page's colours, and an id of its own on the page if anything refers to it."""
    tag = re.sub(
        r' id="([^"]*)"', lambda match: f' id="{key}-{match[1]}"' if match[1] in used else "", tag
    )
    tag = re.sub(r'(xlink:href="|url\()#', rf"\1#{key}-", tag)
    return re.sub(r'style="[^"]*"', _themed, tag)


def _themed(match: re.Match[str]) -> str:
    """Colours as CSS variables; the page's font instead of matplotlib's."""
    text = re.sub(r"#[0-9a-f]{6}\b", _variable, match[0])
    return re.sub(r"(font(?:-family)?: [^;\"]*?)'[^;\"]*", r"\1var(--font)", text)


def _variable(match: re.Match[str]) -> str:
    name = THEME.get(match[0])
    return f"var(--{name})" if name else match[0]
