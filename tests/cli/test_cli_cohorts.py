"""``habitus cluster``, and ``habitus generate`` of cohorts and around given users."""

import contextlib
import io
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from command_line import call
from conftest import random_profiles
from habitus.cli import main
from habitus.models.context_mixture.model import ContextMixture, ContextMixtureConfig
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles.store import StoredProfiles, save
from habitus.run import Run, load
from habitus.synthesis.latents.cohorts import load_cohorts, remembered
from habitus.synthesis.latents.cohorts.clustering import cluster

USERS = 200
FILES = [
    "cohorts.html",
    "cohorts.json",
    "cohorts.parquet",
    "cohorts.png",
    "cohorts.safetensors",
    "habitus.json",
]


def untrained(axes, seed, scale=30.0):
    """A model that tells users apart, although by nothing that was learnt."""
    torch.manual_seed(seed)
    model = BetaVAE(axes, BetaVAEConfig(latents=3))
    with torch.no_grad():
        list(model.q_z_given_x.parameters())[-2].mul_(scale)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory, axes):
    """Two runs, one without latents, and profiles: some empty, some on other axes."""
    path = tmp_path_factory.mktemp("cohorts")
    people = random_profiles(axes, USERS)
    about = {"profiles": USERS, "active_share": [0.5] * axes.days}
    history = {"step": [1.0], "loss": [2.0]}
    models = {
        "run": untrained(axes, 0),
        "other": untrained(axes, 1),
        "mixture": ContextMixture(axes, ContextMixtureConfig(width=16)),
    }
    for name, model in models.items():
        Run(model, None, {}, history, about).save(path / name)
    short = random_profiles(axes.__class__(axes.start, 8, 120, axes.channels), 30)
    for name, profiles in {"people": people, "nobody": people.take([]), "short": short}.items():
        save(path / name, [profiles], profiles.axes)
    return path


@pytest.fixture(scope="module")
def clustering(folder):
    """The folder, in which the run's users are clustered, and what the command said."""
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
        pytest.raises(SystemExit) as stop,
    ):
        main(["cluster", "run", "people", "--k", "4", "--out", "cohorts"])
    assert (stop.value.code or 0, err.getvalue()) == (0, "")
    return folder, out.getvalue()


@pytest.fixture
def here(clustering, tmp_path, monkeypatch):
    """A copy of that folder for the test alone."""
    own = shutil.copytree(clustering[0], tmp_path / "own")
    monkeypatch.chdir(own)
    return own


@pytest.fixture
def clustered(clustering):
    """What the command said."""
    return clustering[1]


def test_what_is_written(clustered, here):
    assert sorted(path.name for path in (here / "cohorts").iterdir()) == FILES
    found = load_cohorts("cohorts")
    expected = cluster(load("run"), StoredProfiles.open("people"), 4)
    assert [group.name for group in found.groups] == [group.name for group in expected.groups]
    assert found.members.equals(expected.members)
    sizes = np.bincount(pq.read_table("cohorts/cohorts.parquet")["cohort"].to_numpy())
    words = json.loads((here / "cohorts/cohorts.json").read_text())
    assert [group["size"] for group in words["cohorts"]] == sizes.tolist()
    assert words["k"] == 4
    for group in found.groups:
        assert f"{group.size:,}" in clustered
        assert group.name in clustered
    assert (here / "cohorts/cohorts.png").read_bytes().startswith(b"\x89PNG")
    kept = remembered(load("run"))
    assert kept.members is None
    assert [group.size for group in kept.groups] == sizes.tolist()


def test_the_page_names_every_cohort_and_the_rule(here, clustered, capsys):
    assert call(capsys, "cluster", "run", "people", "--out", "auto")[0] == 0
    for folder in ("cohorts", "auto"):
        page = (here / folder / "cohorts.html").read_text()
        found = load_cohorts(folder)
        assert "http" not in page.replace("http://www.w3.org", "")
        for group in found.groups:
            assert f"Cohort {group.number}, {group.name}: {group.size:,} users" in page
        for said in (found.rule, found.reason):
            assert said in page
        for each in found.tried:
            assert f'<td class="number">{each.stability:.2f}</td>' in page
    assert [each.k for each in load_cohorts("auto").tried] == list(range(2, 11))


def test_the_same_seed_gives_the_same_files(here, clustered, capsys):
    assert call(capsys, "cluster", "run", "people", "--k", "4", "--out", "again")[0] == 0
    for name in FILES:
        assert (here / "again" / name).read_bytes() == (here / "cohorts" / name).read_bytes(), name


def test_users_of_cohorts(here, clustered, capsys):
    code, out, _ = call(
        capsys,
        "generate",
        "run",
        "--users",
        "300",
        "--cohorts",
        "3:0.6,0:1.4",
        "--seed",
        "2",
        "--out",
        "mixed",
    )
    assert code == 0
    assert "30% of cohort 3" in out
    made = StoredProfiles.open("mixed")
    assert len(made) == 300
    assert [(each["number"], each["weight"]) for each in made.about["cohorts"]] == [
        (3, 0.6),
        (0, 1.4),
    ]
    cohort = made.users["cohort"].to_numpy()
    assert 0.15 < (cohort == 3).mean() < 0.45
    assert set(cohort.tolist()) == {0, 3}
    again = (
        "--users",
        "300",
        "--cohorts",
        "3:0.6,0:1.4",
        "--cohorts-from",
        "cohorts",
        "--seed",
        "2",
    )
    assert call(capsys, "generate", "run", *again, "--out", "same")[0] == 0
    assert (here / "same/profiles.parquet").read_bytes() == (
        here / "mixed/profiles.parquet"
    ).read_bytes()


def test_another_clustering_is_taken_where_asked(here, clustered, capsys):
    assert call(capsys, "cluster", "run", "people", "--k", "2", "--out", "two")[0] == 0
    assert len(remembered(load("run")).groups) == 2
    code, out, _ = call(
        capsys,
        "generate",
        "run",
        "--users",
        "20",
        "--cohorts",
        "3",
        "--cohorts-from",
        "cohorts",
        "--out",
        "g",
    )
    assert code == 0
    assert "100% of cohort 3" in out


@pytest.mark.parametrize(
    "args",
    [
        ("cluster", "run", "people", "--k", "4", "--out", "run"),
        ("cluster", "run", "people", "--k", "4", "--out", "./people"),
        ("generate", "run", "--users", "3", "--out", "run"),
        ("generate", "run", "--users", "3", "--like", "people", "--out", "people"),
        (
            "generate",
            "run",
            "--users",
            "3",
            "--cohorts",
            "0",
            "--cohorts-from",
            "cohorts",
            "--out",
            "cohorts",
        ),
    ],
)
def test_what_is_read_is_not_replaced(here, clustered, capsys, args):
    before = {path: path.read_bytes() for path in (here / args[-1]).iterdir()}
    code, _, err = call(capsys, *args)
    said = (
        f"habitus: {args[-1].removeprefix('./')} is read and would be replaced; "
        "choose another --out\n"
    )
    assert (code, err) == (2, said)
    assert {path: path.read_bytes() for path in (here / args[-1]).iterdir()} == before


def test_users_around_given_ones(here, capsys):
    code, out, _ = call(
        capsys, "generate", "run", "--users", "30", "--like", "people", "--out", "around"
    )
    assert code == 0
    assert "around those of people" in out
    about = StoredProfiles.open("around").about
    assert (about["prior"], about["like"]) == ("like", "people")


REFUSED = [
    ("cluster mixture people --out out", "has no latents"),
    ("cluster run people --k many --out out", "--k must be auto or a number"),
    ("cluster run people --k 0 --out out", "got 0"),
    ("cluster run people --k 201 --out out", "got 201"),
    ("cluster run short --out out", "days differ"),
    ("cluster run nobody --out out", "got 0"),
    ("cluster people people --out out", "got one of profiles"),
    ("cluster run people --out notes", "habitus did not write"),
    ("generate run --cohorts 4 --out out", "no cohort 4; there are 4"),
    ("generate run --cohorts 1:0 --out out", "above 0"),
    ("generate run --cohorts 1:-2 --out out", "above 0"),
    ("generate run --cohorts 1:inf --out out", "above 0"),
    (
        "generate run --cohorts first --out out",
        "--cohorts must be like 3 or 3:0.7,5:0.3, got 'first'",
    ),
    ("generate run --cohorts 1:much --out out", "--cohorts must be like"),
    ("generate run --cohorts 1,1 --out out", "twice"),
    ("generate other --cohorts 1 --out out", "no cohorts; run habitus cluster first"),
    ("generate other --cohorts 1 --cohorts-from cohorts --out out", "of another run"),
    ("generate run --cohorts 1 --cohorts-from people --out out", "got one of profiles"),
    ("generate run --cohorts-from cohorts --out out", "say which with --cohorts"),
    ("generate run --cohorts 1 --like people --out out", "exclude each other"),
    ("generate run --prior normal --cohorts 1 --out out", "exclude each other"),
    ("generate run --prior normal --like people --out out", "exclude each other"),
    ("generate run --like nobody --out out", "got none"),
    ("generate run --like short --out out", "days differ"),
    ("generate run --like notes --out out", "there is no habitus.json"),
    ("generate mixture --like people --out out", "has no latents"),
]


@pytest.mark.parametrize(("line", "message"), REFUSED, ids=[line for line, _ in REFUSED])
def test_what_cannot_be_is_told_in_one_line(here, clustered, capsys, line, message):
    (here / "notes").mkdir(exist_ok=True)
    (here / "notes/own.txt").write_text("mine")
    code, _, err = call(capsys, *line.split())
    assert code == 2
    assert err.startswith("habitus: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (here / "out").exists()


def test_cohorts_of_an_earlier_fit_are_refused(here, clustered, capsys, axes):
    shutil.copytree("run", "fitted-again")
    before = load("fitted-again")
    Run(untrained(axes, 5), None, {}, before.history, before.about).save("fitted-again")
    code, _, err = call(capsys, "generate", "fitted-again", "--cohorts", "0", "--out", "out")
    assert code == 2
    assert "earlier fit; run habitus cluster" in err
