"""Parts of every page: figures as plates, sections, tables; one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from habitus.files import Mark, replacing
from habitus.report.svg import inline_svg

REPORT = Mark("evaluate", "report")


@dataclass(frozen=True)
class Plate:
    """A figure as the page shows it."""

    title: str
    caption: str
    svg: Markup
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first ``words`` columns are text, the others numbers."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


@dataclass(frozen=True)
class Section:
    """Some tables and figures under one heading."""

    title: str
    note: str
    plates: Sequence[Plate] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Article:
    """A page of sections.

    Attributes:
        title: Heading.
        lead: One sentence below it.
        tiles: Short facts, (name, value).
        verdict: The findings, a sentence each.
        sections: The rest.
        provenance: Where it comes from (command, versions, seeds), by name.
    """

    title: str
    lead: str
    tiles: Sequence[tuple[str, str]]
    verdict: Sequence[str]
    sections: Sequence[Section]
    provenance: Mapping[str, str]


class Easel:
    """Makes plates, each with ids of its own on the page."""

    def __init__(self) -> None:
        self.made = 0

    def plate(
        self, title: str, caption: str, figure: Figure, *, alt: str = "", wide: bool = False
    ) -> Plate:
        """Draw a figure; ``alt`` adds what its title and caption do not say."""
        self.made += 1
        words = " ".join(part for part in (f"{title}.", caption, alt) if part)
        return Plate(title, caption, inline_svg(figure, alt=words, key=f"f{self.made}"), wide)


def write_article(
    path: Path | str, article: Article, mark: Mark | None = None, *, overwrite: bool = False
) -> None:
    """Write a page of sections, as :func:`write_page`."""
    write_page(path, "article.html.j2", mark, overwrite=overwrite, **vars(article))


def write_page(
    path: Path | str,
    template: str,
    mark: Mark | None = None,
    *,
    overwrite: bool = False,
    **content: Any,
) -> None:
    """Fill a template in; the file appears whole or not at all.

    Args:
        path: The HTML file.
        template: Name of the template.
        mark: What the page says of itself, where it is an output of its own; only an earlier one of
            that mark is replaced.
        overwrite: Replace whatever file stands there.
        content: Values of the template.

    Raises:
        ValueError: if something else stands at ``path`` and ``overwrite`` is not given.
    """
    generator = "habitus" if mark is None else mark.generator
    environment = Environment(
        loader=PackageLoader("habitus.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    with replacing(path, mark, overwrite=overwrite) as part:
        text = environment.get_template(template).render(content, generator=generator)
        part.write_text(text, encoding="utf-8")
