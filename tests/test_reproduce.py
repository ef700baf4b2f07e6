"""Tables and figures of the papers, made on a tiny population whose every fit takes a moment."""

import csv
import dataclasses
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import random_profiles
from habitus.evaluation import daily_mean, daily_std, evaluate
from habitus.evaluation.evaluate_completion import evaluate_completion
from habitus.models.parts.masks import parse_mask
from habitus.models.pictures.nets import ARCHITECTURES
from habitus.papers import PAPERS
from habitus.papers.files import PAGE, PRIVATE, write_item, write_page
from habitus.papers.item import FIGURE, TABLE, Drawing, Grid, Item, by_day, chosen
from habitus.papers.time_pictures import PAPER, Lab, LabSettings, architectures
from habitus.papers.time_pictures import lab as lab_module
from habitus.papers.time_pictures.figures_latent import Use, constraint, diversity
from habitus.papers.time_pictures.figures_reconstruction import nearer
from habitus.papers.time_pictures.findings import of_methods
from habitus.papers.time_pictures.measures import distances_of_totals, intensity_share
from habitus.papers.time_pictures.paper import BETAS, DISTANCES, TABLE_6_1, TABLE_6_2
from habitus.papers.time_pictures.stages import AFTER, BEFORE, distances_of
from habitus.papers.time_pictures.tables import layer_rows
from habitus.profiles.store import StoredProfiles
from habitus.run import CHECKPOINT
from habitus.schema import Axes
from habitus.synthesis.latents.traversal import Traversal
from habitus.training.fit import fit as real_fit

AXES = Axes(dt.date(2018, 2, 1), 32, 240, ("web", "phone"))
SETTINGS = LabSettings(
    betas=(0.0, 0.1, 0.5, 1.0),
    epochs=1,
    latents=3,
    batch=30,
    samples=2,
    architecture_profiles=20,
    architecture_epochs=1,
)
SEARCHED = (2, 10)
MOST = {"VAE": 1, "VCE": 16}  # profiles that slow baselines run on
ENTRIES = {entry.name: entry for entry in PAPER.entries}
PAPER_NUMBERS = {
    TABLE: ["5.1", "5.2", "6.1", "6.2", "A.1"],
    FIGURE: ["5.1", "5.2", "5.3", "5.6", *(f"6.{n}" for n in range(1, 28)), "B.1", "B.2", "B.3"],
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tiny tensors are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sets():
    return random_profiles(AXES, 60, 0, 0.03), random_profiles(AXES, 16, 1, 0.03)


@pytest.fixture(scope="module")
def lab(sets, tmp_path_factory):
    return Lab(*sets, tmp_path_factory.mktemp("reproduction") / "out", SETTINGS)


@pytest.fixture(scope="module")
def made(lab):
    """Every item, made once; of the search for an architecture two sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architectures, "SEARCHED_LATENTS", SEARCHED)
        return {name: entry.make(lab) for name, entry in ENTRIES.items()}


def test_every_table_and_figure_with_results_is_there():
    for kind, numbers in PAPER_NUMBERS.items():
        assert sorted(entry.number for entry in PAPER.entries if entry.kind == kind) == sorted(
            numbers
        )
    assert all(entry.make.__doc__ for entry in PAPER.entries)
    assert PAPERS["time-pictures"] is PAPER


@pytest.mark.parametrize("name", ENTRIES)
def test_every_item_has_something_to_show(made, name):
    item = made[name]
    assert item.paper
    assert item.tables if ENTRIES[name].kind == TABLE else item.drawings
    for grid in [*item.tables, *(each.data for each in item.drawings if each.data)]:
        assert grid.rows
        assert {len(row) for row in grid.rows} == {len(grid.columns)}
    for drawing in item.drawings:
        assert any(panel.has_data() for panel in drawing.figure.axes)
        assert drawing.caption
    assert all(finding.endswith(".") and "nan" not in finding for finding in item.findings)


def test_single_real_users_are_marked(made):
    marked = {name for name, item in made.items() if any(each.real for each in item.drawings)}
    assert marked == {"Figure 5.1", "Figure 5.2", "Figure 6.16", "Figure 6.17"}


def test_table_6_1_is_what_evaluate_finds_of_the_kept_population(lab, made, sets):
    train, test = sets
    grid = made["Table 6.1"].tables[0]
    for row in grid.rows[: len(SETTINGS.betas)]:
        beta = float(row[0])
        kept = StoredProfiles.open(lab.folder / "sets" / f"vae-{beta:g}-normal")
        assert len(kept) == len(test)
        found = evaluate(kept, test, train, seed=SETTINGS.seed)
        assert row[2::2] == [found.figures[group][key] for group, key in DISTANCES.values()]
        assert tuple(row[1::2]) == TABLE_6_1[beta]
        ours = lab.evaluation(lab.vae(beta))
        for whole in dataclasses.fields(found):
            if whole.name in ("figures", "floor", "baselines", "floor_note", "zero_threshold"):
                assert getattr(ours, whole.name) == getattr(found, whole.name)
    floor, baseline = grid.rows[len(SETTINGS.betas) :]
    assert floor[2::2] == [found.floor[group][key] for group, key in DISTANCES.values()]
    assert baseline[2::2] == [
        found.baselines["independent_cells"][group][key] for group, key in DISTANCES.values()
    ]


def test_distances_of_totals_are_those_of_an_evaluation(lab):
    beta = 0.1
    totals = lab.evaluation(lab.vae(beta)).generated.daily_totals
    assert distances_of_totals(lab.reference.daily_totals, totals) == distances_of(lab, beta, AFTER)


def test_before_zeroing_every_user_is_active(lab):
    totals = lab.totals_before_zeroing(lab.vae(0.1))
    assert totals.shape == (len(lab.test), AXES.days)
    assert totals.min() > 0
    after = lab.evaluation(lab.vae(0.1)).generated.daily_totals
    assert daily_mean(totals).mean() > daily_mean(after).mean()
    assert distances_of(lab, 0.1, BEFORE) != distances_of(lab, 0.1, AFTER)


def test_table_6_2_is_the_squared_error_of_the_evaluation(lab, made, sets):
    train, test = sets
    for hole, *row in made["Table 6.2"].tables[0].rows:
        for at, method in enumerate(("VAE", "VCE")):
            found = evaluate_completion(lab.completed(method, hole), test, train, most=MOST[method])
            assert row[2 * at] == TABLE_6_2[hole][method]
            assert row[2 * at + 1] == pytest.approx(found.figures["squared_error"], rel=1e-6)
        baselines = [
            found.baselines[name]["squared_error"]
            for name in ("zeros", "population_mean", "own_mean")
        ]
        assert row[4:] == pytest.approx(baselines, rel=1e-6)


def test_expected_totals_leave_known_days_alone(lab, sets):
    hidden = parse_mask("bottom", AXES).fixed
    days = hidden.any((1, 2))
    totals = lab.expected_totals("VCE", "bottom")
    real = lab.reference.daily_totals
    np.testing.assert_allclose(totals[:, ~days], real[:, ~days], rtol=1e-6)
    assert not np.allclose(totals[:, days], real[:, days])


def test_layers_are_counted_as_the_paper_lists_them(lab, made):
    encoder = made["Table 5.1"].tables[0].rows
    assert [row[0] for row in encoder] == ["convolution", "max pooling"] * 3 + ["fully connected"]
    padded = ("32 × 8 × 16", "16 × 4 × 16", "16 × 4 × 32", "8 × 2 × 32", "8 × 2 × 64", "4 × 1 × 64")
    assert [row[3] for row in encoder] == [*padded, "6"]
    model = lab.vae(0.1).model
    both = [row for name in ("Table 5.1", "Table 5.2") for row in made[name].tables[0].rows]
    assert sum(row[-1] or 0 for row in both) == sum(each.numel() for each in model.parameters())


def test_layer_rows_leave_no_hook_behind():
    network = torch.nn.Sequential(torch.nn.Linear(2, 3))
    assert [row[3] for row in layer_rows(network, torch.zeros(1, 2))] == ["3"]
    assert not network[0]._forward_hooks


def test_table_a_1_has_every_architecture_and_size(lab, made):
    rows = made["Table A.1"].tables[1].rows
    assert [tuple(row[:2]) for row in rows] == [
        (name, f"{size}") for name in ARCHITECTURES for size in SEARCHED
    ]
    assert len(lab.searched.train) == SETTINGS.architecture_profiles
    assert rows[0][2] < next(row for row in rows if row[0] == "wide-conv")[2]


def test_the_rest_of_a_walk_is_not_intensity():
    base = np.array([[1.0, 0.0]])
    other = np.array([[0.0, 1.0]])
    multiples = np.concatenate([k * base for k in (1, 2, 3)])
    assert intensity_share(multiples) == pytest.approx(1)
    assert intensity_share(np.concatenate([base + t * other for t in (-1, 0, 1)])) == pytest.approx(
        0
    )
    mixed = np.array([[1.0 + a, b] for a, b in ((-1, 1), (-1, -1), (1, 1), (1, -1))])
    assert intensity_share(mixed) == pytest.approx(0.5)
    assert intensity_share(np.ones((3, 2))) is None


def use(intensity, lead=0.5, lead_intensity=0.5, used=2):
    made = Traversal(AXES, np.arange(3), *[np.zeros(3)] * 5)
    return Use(used, intensity, lead, lead_intensity, 0.1, made)


def test_findings_on_dimensions_follow_the_numbers():
    assert "At β = 1 that is 80%: more diverse, as in the paper." in diversity(use(0.3), use(0.8))
    assert "no more diverse, unlike in the paper." in diversity(use(0.8), use(0.3))
    assert "At β = 1: 0 of 3 dimensions are in use." in diversity(use(0.8), use(None, used=0))
    assert (
        "makes 90% of all change, and 70% of that is more or less of the same picture: as"
        in constraint(4.0, use(0.5, 0.9, 0.7))
    )
    assert ": unlike in the paper" in constraint(4.0, use(0.5, 0.4, 0.9))
    assert ": unlike in the paper" in constraint(4.0, use(0.5, 0.9, 0.4))
    assert "nothing changes" in constraint(4.0, use(None, None, None, 0))


def test_findings_on_completed_populations_follow_the_numbers():
    assert (
        nearer("mean", {"VAE": 2.0, "VCE": 1.0}) == "Mean: VCE 1, VAE 2: nearer, as in the paper."
    )
    assert nearer("mean", {"VAE": 1.0, "VCE": 1.0}).endswith("not nearer, unlike in the paper.")


def test_findings_on_methods_follow_the_numbers():
    better = {hole: {"VAE": 2.0, "VCE": 1.0, "zeros": 3.0} for hole in ("centre", "bottom")}
    sentences = list(of_methods(better))
    assert "is below the VAE's, 2 by 50%" in sentences[0]
    assert "and below that of the best baseline" in sentences[0]
    assert "for neither method" in sentences[2]
    worse = {
        "centre": {"VAE": 1.0, "VCE": 2.0, "zeros": 1.5},
        "bottom": {"VAE": 2.0, "VCE": 1.0, "zeros": 1.5},
    }
    sentences = list(of_methods(worse))
    assert "is not below the VAE's" in sentences[0]
    assert "not below that of the best baseline" in sentences[0]
    assert "for the VAE only" in sentences[2]


def test_a_second_lab_loads_what_the_first_one_kept(lab, sets, made, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("fitted or drawn again")

    for name in ("fit", "generate_to", "complete_to"):
        monkeypatch.setattr(lab_module, name, refuse)
    again = Lab(*sets, lab.folder, SETTINGS)
    assert ENTRIES["Table 6.1"].make(again).tables == made["Table 6.1"].tables
    assert ENTRIES["Table 6.2"].make(again).tables == made["Table 6.2"].tables


def test_a_stopped_fit_goes_on_and_ends_the_same(lab, sets, tmp_path, monkeypatch):
    settings = dataclasses.replace(SETTINGS, epochs=2)
    calls = []

    def stopping(done, total, stage):
        raise KeyboardInterrupt

    def interrupted(*args, **kwargs):
        calls.append(kwargs["resume"])
        if len(calls) == 1:
            kwargs["on_progress"] = stopping
        return real_fit(*args, **kwargs)

    monkeypatch.setattr(lab_module, "fit", interrupted)
    first = Lab(*sets, tmp_path / "out", settings)
    with pytest.raises(KeyboardInterrupt):
        first.vae(0.1)
    assert (tmp_path / "out" / "runs" / "vae-0.1" / CHECKPOINT).is_file()
    resumed = Lab(*sets, tmp_path / "out", settings).vae(0.1)
    assert calls == [False, True]
    whole = Lab(*sets, tmp_path / "whole", settings).vae(0.1)
    for name, weights in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], weights, rtol=0, atol=0)
    assert Lab(*sets, tmp_path / "out", settings).vae(0.1).path == resumed.path
    assert len(calls) == 3


def test_only_what_is_asked_for_is_fitted(sets, tmp_path):
    one = Lab(*sets, tmp_path / "out", SETTINGS)
    ENTRIES["Figure 6.3"].make(one)
    assert [path.name for path in (one.folder / "runs").iterdir()] == ["vae-0.1"]
    assert [path.name for path in (one.folder / "sets").iterdir()] == ["vae-0.1-normal"]


def test_a_part_of_the_profiles(sets, tmp_path):
    some = Lab(*sets, tmp_path / "out", dataclasses.replace(SETTINGS, profiles=12))
    assert (len(some.train), len(some.test), some.users) == (12, 12, 12)
    assert Lab(*sets, tmp_path / "more", dataclasses.replace(SETTINGS, users=7)).users == 7


def test_binary_profiles_are_modelled_as_such(sets, tmp_path):
    train, test = (each.in_unit("binary") for each in sets)
    made = Lab(train, test, tmp_path / "out", SETTINGS)
    assert made.vae(0.1).model.unit == "binary"
    assert ENTRIES["Figure 6.7"].make(made).drawings
    assert ENTRIES["Figure 6.20"].make(made).drawings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "was begun with seed=0, got 1"),
        ({"epochs": 2}, "was begun with epochs=1, got 2"),
        ({"prior": "mixture"}, "was begun with prior=normal, got mixture"),
        ({"profiles": 8}, "was begun with profiles=None, got 8"),
    ],
)
def test_a_folder_keeps_to_its_settings(lab, sets, change, message):
    with pytest.raises(ValueError, match=message):
        Lab(*sets, lab.folder, dataclasses.replace(SETTINGS, **change))


def test_a_folder_takes_other_betas_and_keeps_to_its_data(lab, sets):
    assert (
        Lab(*sets, lab.folder, dataclasses.replace(SETTINGS, betas=BETAS)).settings.betas == BETAS
    )
    with pytest.raises(ValueError, match="was begun with train="):
        Lab(sets[1], sets[0], lab.folder, SETTINGS)


def test_a_run_of_other_settings_is_refused(lab, sets, tmp_path):
    first = Lab(*sets, tmp_path / "out", SETTINGS)
    run = first.vae(0.1)
    header = json.loads((run.path / "habitus.json").read_text())
    header["config"]["beta"] = 0.2
    (run.path / "habitus.json").write_text(json.dumps(header))
    with pytest.raises(ValueError, match=r"has beta=0\.2, expected 0\.1"):
        Lab(*sets, tmp_path / "out", SETTINGS).vae(0.1)


def test_sets_that_do_not_go_together(sets, tmp_path):
    other = random_profiles(Axes(dt.date(2018, 2, 1), 32, 240, ("web", "tv")), 10)
    with pytest.raises(ValueError, match="channels differ"):
        Lab(sets[0], other, tmp_path / "out")
    with pytest.raises(ValueError, match="same unit, got count and peak"):
        Lab(sets[0], sets[1].in_unit("peak"), tmp_path / "out")
    with pytest.raises(ValueError, match="expected test profiles, got none"):
        Lab(sets[0], sets[1].slice(0, 0), tmp_path / "out")
    with pytest.raises(ValueError, match="no channel 'tv'; --channel takes web, phone"):
        Lab(*sets, tmp_path / "out", channel="tv")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "settings",
    [{"prior": "flat"}, {"betas": ()}, {"betas": (1.0, 1.0)}, {"betas": (-1.0,)}, {"epochs": 0}],
)
def test_impossible_settings(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        LabSettings(**settings)


def test_the_channel_that_is_asked_for_is_walked(lab, sets):
    named = Lab(*sets, lab.folder, SETTINGS, channel="phone")
    assert "channel phone" in ENTRIES["Figure 6.11"].make(named).drawings[0].caption
    busiest = lab.reference.mean_picture.sum((0, 1)).argmax()
    assert lab.shown_channel == busiest


def test_files_hold_the_numbers_in_full(tmp_path, made):
    entry = ENTRIES["Table 6.1"]
    paths = write_item(tmp_path, entry, made["Table 6.1"])
    assert [path.name for path in paths] == ["table-6.1.csv", "table-6.1-2.csv"]
    with paths[0].open() as file:
        head, *rows = csv.reader(file)
    grid = made["Table 6.1"].tables[0]
    assert head == list(grid.columns)
    assert [float(row[2]) for row in rows] == [row[2] for row in grid.rows]
    assert rows[-1][1] == ""
    figures = write_item(tmp_path, ENTRIES["Figure 6.4"], made["Figure 6.4"])
    assert [path.name for path in figures] == [
        "figure-6.4a.png",
        "figure-6.4a.csv",
        "figure-6.4b.png",
        "figure-6.4b.csv",
    ]
    assert figures[0].read_bytes().startswith(b"\x89PNG")


def test_the_curves_in_files_are_those_of_the_sets(lab, made):
    rows = np.array([row[1:] for row in made["Figure 6.5"].drawings[1].data.rows], float)
    np.testing.assert_allclose(rows[:, 0], daily_std(lab.reference.daily_totals))
    beta_4 = lab.evaluation(lab.vae(4.0)).generated.daily_totals
    np.testing.assert_allclose(rows[:, 4], daily_std(beta_4))


def test_the_page_holds_every_item(tmp_path, lab, made):
    write_page(tmp_path / PAGE, PAPER, made, PAPER.facts(lab), {"Command": "habitus reproduce"})
    text = Path(tmp_path / PAGE).read_text()
    assert all(f"{name}" in text for name in made)
    for name, item in made.items():
        heads = [f"{name}{each.part}: {ENTRIES[name].title}" for each in item.drawings] or [
            f"{name}: "
        ]
        assert all(head.replace("'", "&#39;") in text for head in heads)
        assert all(finding.split(",")[0].replace("'", "&#39;") in text for finding in item.findings)
    assert sum(PRIVATE in part for part in text.split("<figcaption>")) == 5
    places = [text.index(f"<h2>{group.title}") for group in PAPER.groups]
    assert places == sorted(places)


def test_a_page_of_two_items_has_these_only(tmp_path, lab, made):
    some = {name: made[name] for name in ("Figure 6.4", "Table 6.2")}
    write_page(tmp_path / PAGE, PAPER, some, PAPER.facts(lab), {})
    text = (tmp_path / PAGE).read_text()
    assert "Figure 6.4a" in text
    assert "Figure 6.5" not in text
    assert "Appendix A" not in text


def test_chosen_entries_come_in_the_papers_order():
    names = [entry.name for entry in chosen(PAPER.entries, ["6.2"], ["B.1", "5.1"], False)]
    assert names == ["Figure 5.1", "Table 6.2", "Figure B.1"]
    assert chosen(PAPER.entries, [], [], True) == PAPER.entries
    with pytest.raises(ValueError, match=r"there is no figure 9\.9; --figure takes 5\.1"):
        chosen(PAPER.entries, [], ["9.9"], True)
    with pytest.raises(ValueError, match="--all; --list"):
        chosen(PAPER.entries, [], [], False)


def test_grids_and_drawings_have_plain_defaults():
    grid = by_day({"reference": np.array([0.5, 0.25]), "β = 1": np.array([1.0, np.inf])})
    assert grid.columns == ["day", "real", "β = 1"]
    assert grid.texts == [["1", "0.5", "1"], ["2", "0.25", "∞"]]
    assert Grid("", ("a",), [[None]]).texts == [["–"]]
    assert Item().tables == ()
    assert not Drawing.__dataclass_fields__["real"].default
