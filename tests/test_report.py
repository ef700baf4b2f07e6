"""The report: one valid file, safe for any channel name, with every figure in it; or no file at all."""

import datetime as dt
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_allclose

from habitus.evaluation import evaluate
from habitus.evaluation.blocks import CompressedRows
from habitus.report import write_report
from habitus.report.figures import curves, day_curves, pictures
from habitus.report.samples import random_pictures
from habitus.report.svg import inline_svg
from habitus.report.wording import Row, number, rows_of, summary, times
from habitus.schema import Axes

NASTY = ("<script>", "a & $x$ \"q\" 'p'", 'style="fill: #d55e00"')
AXES = Axes(dt.date(2018, 2, 1), 32, 360, NASTY)
VOID = {"meta", "link", "br", "hr", "img", "input"}


def population(users, seed, axes=AXES):
    rng = np.random.default_rng(seed)
    counts = (
        rng.poisson(0.1, (users, axes.cells))
        if axes.unit == "count"
        else rng.random((users, axes.cells))
    )
    counts = counts * (rng.random(counts.shape) < 0.5)
    row, cell = np.nonzero(counts)
    indptr = np.append(0, np.cumsum(np.bincount(row, minlength=users)))
    kind = np.uint32 if axes.unit == "count" else np.float32
    return CompressedRows(axes, indptr, cell.astype(np.int32), counts[row, cell].astype(kind))


HISTORY = {
    "step": [1, 2], "loss": [5.0, 4.0], "reconstruction": [4.0, 3.0], "kl": [1.0, 1.0],
    "held_out_step": [2], "held_out_loss": [4.5], "held_out_reconstruction": [3.5], "held_out_kl": [1.0],
}  # fmt: skip


WORDS = {
    "history": HISTORY,
    "title": "A <b>title</b>",
    "provenance": {"Command": "habitus evaluate <&>"},
}


@pytest.fixture(scope="module")
def sets():
    return population(30, 0, AXES.with_unit("peak")), population(40, 1), population(50, 2)


@pytest.fixture(scope="module")
def page(sets, tmp_path_factory):
    generated, reference, train = sets
    path = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    evaluation = evaluate(generated, reference, train, zero_threshold=0.043)
    write_report(path, evaluation, generated, reference, **WORDS)
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


class Balance(HTMLParser):
    """Collects what a browser would see, and fails where tags do not nest."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.tags = []
        self.ids = []
        self.text = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.strip())


@pytest.fixture(scope="module")
def parsed(page):
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_is_valid_with_one_main_heading_and_distinct_ids(parsed):
    tags = [tag for tag, _ in parsed.tags]
    assert tags.count("h1") == tags.count("main") == 1
    assert len(parsed.ids) == len(set(parsed.ids))
    assert parsed.tags[0] == ("html", {"lang": "en"})


def test_references_within_figures_lead_somewhere(page, parsed):
    targets = re.findall(r'(?:xlink:href="|url\()#([^")]+)', page)
    assert targets
    assert set(targets) <= set(parsed.ids)


def test_loads_nothing(page, parsed):
    assert "http://" not in page
    assert "https://" not in page
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    assert "@import" not in page
    images = [attrs["xlink:href"] for tag, attrs in parsed.tags if tag == "image"]
    assert images
    assert all(each.startswith("data:image/png;base64,") for each in images)


def test_names_that_look_like_markup_are_shown_as_text(page, parsed):
    assert not re.search(r"<script", page, re.IGNORECASE)
    words = " ".join(parsed.text)
    assert "<script>" in parsed.text, "as the title of a panel"
    assert NASTY[2] in words, "colours are swapped in tags only"
    assert "A <b>title</b>" in parsed.text
    assert "habitus evaluate <&>" in parsed.text
    assert "b" not in [tag for tag, _ in parsed.tags]


def test_every_figure_is_in_the_table(page, sets):
    generated, reference, train = sets
    rows = rows_of(evaluate(generated, reference, train).to_json())
    keys = "daily_mean.kld daily_mean.mse daily_std.kld daily_std.mse total_cdf.ks dau.relative_error mau.kld"
    assert set(keys.split()) <= {row.key for row in rows}
    for row in rows:
        assert f"<code>{row.key}</code>" in page
        assert row.meaning, f"{row.key} has no explanation"
    assert "independent cells" in page


def test_figures_have_words_for_those_who_cannot_see_them(parsed):
    drawings = [attrs for tag, attrs in parsed.tags if tag == "svg"]
    assert len(drawings) == 1 + 4 + 6 + 6 + 3 + 1
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 20 for attrs in drawings)


def test_colours_follow_the_theme(page):
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", page))
    light, dark = (
        set(re.findall(r"--([a-z0-9-]+):", block))
        for block in re.findall(r":root \{([^}]*)\}", page)
    )
    assert {"ink", "reference", "generated", "floor", "baseline-0"} <= used <= light
    assert light - dark == {"font", "mono"}
    figures = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "fill: #1b1f27" not in figures
    assert "DejaVu" not in figures


def test_says_who_when_and_where_from(page):
    for words in (
        "30 generated users against 40 real ones",
        "1 February 2018 to 4 March 2018",
        "0.043",
        "seed 0",
    ):
        assert words in page


@pytest.mark.parametrize(
    "axes",
    [
        Axes(dt.date(2020, 1, 1), 1, 1440, ("日本語",)),
        Axes(dt.date(2020, 1, 1), 8, 720, tuple(f"channel {n}" for n in range(4)), every=10),
    ],
    ids=["one cell, foreign letters", "weekdays unknown, many channels"],
)
def test_any_axes(axes, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "MOST_PANELS", 2)
    monkeypatch.setattr(curves, "MOST_SMALL_PANELS", 3)
    generated = population(20, 0, axes)
    reference = population(20, 1, axes)
    write_report(tmp_path / "r.html", evaluate(generated, reference), generated, reference)
    parser = Balance()
    parser.feed((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert parser.open == []
    assert any(axes.channels[-1] in text for text in parser.text)


def test_the_same_numbers_give_the_same_file(sets, page, tmp_path):
    generated, reference, train = sets
    evaluation = evaluate(generated, reference, train, zero_threshold=0.043)
    write_report(tmp_path / "again.html", evaluation, generated, reference, **WORDS)
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_failure_leaves_nothing_new_and_what_stood_there(tmp_path, monkeypatch):
    one_cell = Axes(dt.date(2020, 1, 1), 1, 1440, ("only",))
    generated = population(4, 0, one_cell)
    reference = population(4, 1, one_cell)
    path = tmp_path / "report.html"
    path.write_text("before")

    def full(self, text, **_):
        self.write_bytes(text[:100].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(path, evaluate(generated, reference), generated, reference, overwrite=True)
    monkeypatch.undo()
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "before"


def test_samples_are_random_users_of_the_whole_set(sets):
    _, reference, _ = sets
    pictures = random_pictures(reference, count=4, seed=3)
    assert pictures.shape == (4, *AXES.shape)
    assert_allclose(pictures.max((1, 2, 3)), 1)
    assert_allclose(pictures, random_pictures(Halves(reference), count=4, seed=3))
    drawn = np.random.default_rng(3).permutation(len(reference))[0]
    span = slice(reference.indptr[drawn], reference.indptr[drawn + 1])
    peak = reference.values[span].max()
    assert_allclose(pictures[0].reshape(-1)[reference.cells[span]], reference.values[span] / peak)


class Halves:
    """The same profiles in two chunks."""

    def __init__(self, rows):
        self.rows = rows
        self.axes = rows.axes

    def __len__(self):
        return len(self.rows)

    def chunks(self):
        rows = self.rows
        middle = len(self.rows) // 2
        cut = rows.indptr[middle]
        yield CompressedRows(
            rows.axes, rows.indptr[: middle + 1], rows.cells[:cut], rows.values[:cut]
        )
        yield CompressedRows(
            rows.axes, rows.indptr[middle:] - cut, rows.cells[cut:], rows.values[cut:]
        )


def test_samples_of_a_small_set_are_all_of_it(sets):
    assert len(random_pictures(population(2, 0), count=5)) == 2


@pytest.mark.parametrize(
    ("generated", "floor", "ratio", "verdict"),
    [(3.0, 2.0, 1.5, "like real"), (6.0, 2.0, 3.0, "close"), (20.0, 2.0, 10.0, "apart"), (21.0, 2.0, 10.5, "far"),
     (1.0, 0.0, None, ""), (None, 1.0, None, ""), (1.0, None, None, "")],
)  # fmt: skip
def test_ratio_and_verdict(generated, floor, ratio, verdict):
    row = Row("a.b", "A", "", "", generated, floor)
    assert (row.ratio, row.verdict) == (ratio, verdict)


def test_summary_names_best_and_worst_and_counts_wins():
    rows = [
        Row("a", "Good", "", "", 1.0, 1.0, {"independent_cells": 2.0}),
        Row("b", "Bad", "", "", 9.0, 1.0, {"independent_cells": 2.0}),
        Row("c", "Unknown", "", "", None, 1.0, {"independent_cells": 2.0}),
    ]
    first, second, third = summary(rows)
    assert first.startswith("1 of 2 figures are within 3 times")
    assert "Closest to real: good, 1.0 ×" in second
    assert "Furthest: bad, 9.0 ×" in second
    assert third.startswith("Better on 1 of 2 figures")
    assert "no second real sample" in summary([])[0]
    assert [row.best for row in rows] == ["generated", "independent_cells", None]


def test_rows_average_over_channels_and_hide_what_nobody_has():
    metrics = {
        "users": 3, "zero_threshold": 0.1, "mau": {"kld": None}, "fresh": {"thing": 2.0},
        "hour_of_day": {"jsd": {"a.b": 1.0, "c": 3.0}}, "weekday": {"jsd": {"a.b": 1.0, "c": None}},
        "floor": {"hour_of_day": {"jsd": {"a.b": 1.0, "c": 1.0}}, "note": "x"},
    }  # fmt: skip
    rows = {row.key: row for row in rows_of(metrics)}
    assert list(rows) == ["hour_of_day.jsd", "fresh.thing"]
    assert rows["hour_of_day.jsd"].ratio == 2
    assert rows["fresh.thing"].name == "fresh, thing"


def test_numbers_read_well():
    assert [number(value) for value in (0, 0.123456, 12.3456, 1234.5, 1.24e-5)] == [
        "0", "0.123", "12.3", "1,234", "1.2 × 10⁻⁵",
    ]  # fmt: skip
    assert [times(value) for value in (None, 0.456, 2.345, 1234.0)] == [
        "–",
        "0.46 ×",
        "2.3 ×",
        "1,234 ×",
    ]


def test_a_figure_keeps_text_as_text():
    figure = day_curves(AXES, {"<b>": np.ones(32)}, "a < b")
    svg = inline_svg(figure, alt='say "<hi>"', key="k")
    assert ">a &lt; b</text>" in svg
    assert "<b>" not in svg
    assert 'aria-label="say &#34;&lt;hi&gt;&#34;"' in svg
