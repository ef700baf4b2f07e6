"""Populations as logs of events, in shards, and the conditions that users meet."""

import datetime as dt
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch

from conftest import random_profiles
from habitus import EventLog, FitConfig, fit, generate
from habitus.cli import main
from habitus.models.base import GenerativeModel
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.profiles import ProfileConfig, StoredProfiles, profile, save, to_events
from habitus.profiles.conditions import Conditions
from habitus.profiles.sparse import concat
from habitus.run import load
from habitus.schema import Axes
from habitus.synthesis import GenerateConfig, generate_to
from habitus.synthesis.population import Drawing, Part, Source

AXES = Axes(dt.date(2018, 3, 23), 5, 120, ("web", "phone"), "Europe/Stockholm")
COUNTS = BetaVAEConfig(latents=2, likelihood="poisson", normalisation="count")
SMALL = FitConfig(epochs=2, batch=32, precision="float32", accelerator="cpu")
ROLES = ("--user", "who", "--time", "when", "--channel", "what")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A log, its profiles, and a run of counts fitted to half of them; chunks of 64 users."""
    folder = tmp_path_factory.mktemp("events")
    names = pa.array([f"u{u:03d}" for u in range(200)])
    events = to_events(
        replace(random_profiles(AXES, 200, density=0.2), users=pa.table({"user": names})), 0
    )
    log = events.rename_columns(["who", "when", "what"])
    log = log.set_column(1, "when", log["when"].cast(pa.timestamp("ms", "UTC"), safe=False))
    log = log.set_column(2, "what", log["what"].combine_chunks().dictionary_encode())
    pq.write_table(log, folder / "log.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call("profile", "log.parquet", *ROLES, "--timezone", AXES.timezone, "--slot", "2h",
             "--days", "5", "--channels", "web,phone", "--min-events", "12", "--min-days", "4",
             "--min-users", "1", "--out", "profiles")  # fmt: skip
        call("split", "profiles", "--test", "0.4", "--out", "train", "test")
    fit(BetaVAE, StoredProfiles.open(folder / "train"), COUNTS, fit=SMALL, out=folder / "run")
    return folder


@pytest.fixture(autouse=True)
def in_small_chunks(monkeypatch):
    monkeypatch.setattr(GenerativeModel, "sample_batch", 64)


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def call(*args: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    return int(ended.value.code or 0)


def same(one, other) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("indptr", "cells", "values")
    )


def test_the_log_is_remembered_by_profiles_runs_and_populations(here):
    kept = [StoredProfiles.open(name).about["log"] for name in ("profiles", "train", "test")]
    run = load("run")
    kept += [
        run.about["log"],
        generate(run, 5).about["log"],
        StoredProfiles.open("train").load().about["log"],
    ]
    assert all(each == kept[0] for each in kept)
    assert (kept[0]["types"]["when"], kept[0]["min_events"], kept[0]["min_days"]) == (
        "timestamp[ms, tz=UTC]",
        12,
        4,
    )


@pytest.mark.parametrize("options", [(), ("--inactive", "keep", "--start", "2027-03-26")])
def test_a_generated_log_has_the_real_ones_schema_and_counts_to_the_generated_profiles(
    here, options, capsys
):
    draw = ("generate", "run", "--users", "150", "--seed", "3", *options)
    assert call(*draw, "--out", "made") == 0
    assert call(*draw, "--as", "events", "--out", "made.parquet") == 0
    assert call("export", "made", "--seed", "3", "--out", "exported.parquet") == 0
    capsys.readouterr()
    made = StoredProfiles.open("made").load()
    log = pq.read_table("made.parquet")
    assert log.schema.equals(pq.read_schema("log.parquet"))
    assert log.equals(pq.read_table("exported.parquet"))
    start = made.axes.start.isoformat()
    call("profile", "made.parquet", *ROLES, "--timezone", AXES.timezone, "--slot", "2h", "--days",
         "5", "--start",
         start, "--channels", "web,phone", "--min-users", "1", "--out", "again")  # fmt: skip
    again = StoredProfiles.open("again").load()
    active = np.diff(made.indptr) > 0
    assert same(again, made.take(active))
    assert again.users["user"].to_pylist() == made.take(active).users["user"].to_pylist()
    assert again.users["user"][0].as_py() == "generated-000000000"
    assert active.all() or options


def test_shards_together_are_the_whole(here, tmp_path, capsys):
    draw = ("generate", "run", "--users", "300", "--seed", "5")
    for name in ("profiles", "events"):
        suffix = ".parquet" if name == "events" else ""
        for shard in ("1/1", "1/3", "2/3", "3/3", "7/7"):
            out = str(tmp_path / f"{name}{shard.replace('/', '-')}{suffix}")
            assert call(*draw, "--as", name, "--shard", shard, "--out", out) == 0
    said = capsys.readouterr().out
    assert "of 44 users" not in said.splitlines()[-1]
    events = [
        pq.read_table(tmp_path / f"events{at}.parquet")
        for at in ("1-1", "1-3", "2-3", "3-3", "7-7")
    ]
    together = pa.concat_tables(events[1:4]).sort_by([("who", "ascending")])
    assert together.equals(events[0])
    assert events[4].num_rows == 0
    assert events[4].schema.equals(events[0].schema)
    parts = [
        StoredProfiles.open(tmp_path / f"profiles{at}")
        for at in ("1-1", "1-3", "2-3", "3-3", "7-7")
    ]
    whole = parts[0].load()
    mixed = concat([part.load() for part in parts[1:4]])
    order = np.argsort(mixed.users["user"].to_numpy(zero_copy_only=False))
    assert same(mixed.take(order), whole)
    assert (len(whole), len(parts[4])) == (300, 0)
    assert parts[0].about["redrawn"] == sum(part.about["redrawn"] for part in parts[1:4])
    assert parts[1].about["shard"] == {"number": 1, "of": 3, "users": 300}


def test_parts_and_peaks_come_in_shards_too(population, monkeypatch):
    run = fit(BetaVAE, population, BetaVAEConfig(latents=2), fit=SMALL)
    source = Source(
        (Part(run.mixture, cohort=4), Part(None, weight=2.0, cohort=1)), {"prior": "two"}
    )
    config = GenerateConfig(200, 1, threshold=0.3)
    whole = concat(list(Drawing(run, config, source).chunks()))
    shards = [Drawing(run, replace(config, shard=(at, 2)), source) for at in (1, 2)]
    pieces = sorted(
        (piece for each in shards for piece in each.pieces()),
        key=lambda piece: piece[0],
    )
    together = concat([piece for _, piece in pieces])
    assert same(whole, together)
    assert whole.users.equals(together.users)
    assert set(whole.users["cohort"].to_pylist()) == {1, 4}


def test_conditions_are_counted_by_hand():
    profiles = random_profiles(AXES, 50, density=0.05)
    dense = profiles.dense()
    for conditions in (Conditions(), Conditions(4, 1), Conditions(1, 3), Conditions(6, 3)):
        enough = dense.sum((1, 2, 3)) >= conditions.min_events
        expected = enough & (dense.any((2, 3)).sum(1) >= conditions.min_days)
        assert conditions.met(profiles).tolist() == expected.tolist()
    binary = profiles.in_unit("binary")
    assert Conditions(1000, 3).met(binary).tolist() == (dense.any((2, 3)).sum(1) >= 3).tolist()


def test_users_are_drawn_again_until_they_meet_the_conditions(here):
    run = load("run")
    made, kept = (generate(run, 200, 2, inactive=inactive) for inactive in ("redraw", "keep"))
    conditions = Conditions(12, 4)
    assert conditions.met(made).all()
    missed = ~conditions.met(kept)
    assert 0 < missed.sum() < 150
    first = kept.slice(0, 64).take(~missed[:64])
    assert same(made.slice(0, len(first)), first)
    assert made.about["conditions"] == {"min_events": 12, "min_days": 4}
    assert made.about["redrawn"] > 0
    assert "redrawn" not in kept.about
    strict = replace(run, about={**run.about, "log": {**run.about["log"], "min_events": 10_000}})
    with pytest.raises(
        ValueError,
        match=r"only 0 of .* have 10000 or more events on 4 or more days; keep the inactive",
    ):
        generate(strict, 5)


def test_hardly_more_is_drawn_than_is_needed(here, monkeypatch):
    run = load("run")
    drawn = []
    sample = type(run.model).sample

    def counted(self, size, *args):
        drawn.append(size)
        return sample(self, size, *args)

    monkeypatch.setattr(type(run.model), "sample", counted)
    monkeypatch.setattr(
        torch, "get_num_threads", lambda: 1
    )  # other processes would count for themselves
    made = generate(run, 640, 2)
    needed = 640 + made.about["redrawn"]
    assert needed <= sum(drawn) < 1.15 * needed + 64


def test_standard_output_is_the_log_and_nothing_else(here, capsysbinary):
    draw = ("generate", "run", "--users", "70", "--as", "events", "--out")
    for kind in ("csv", "parquet"):
        assert call(*draw, "-", "--format", kind) == 0
        said = capsysbinary.readouterr()
        assert said.err.startswith(b"habitus: -: ")
        assert call(*draw, f"whole.{kind}") == 0
        assert said.out == (here / f"whole.{kind}").read_bytes()
        capsysbinary.readouterr()
    whole = pq.read_table("whole.parquet")
    assert pyarrow.csv.read_csv("whole.csv").to_pylist() == whole.to_pylist()


def test_whoever_reads_standard_output_may_go_and_the_disk_may_be_full(here):
    command = f"{sys.executable} -m habitus export profiles --out -"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    run = {"shell": True, "capture_output": True, "text": True, "check": False, "env": environment}
    assert subprocess.run(f"{command} | head -1", **run).stdout == '"who","when","what"\n'
    full = subprocess.run(f"{command} > /dev/full", **run)
    assert full.returncode == 2
    assert full.stderr.startswith("habitus: no space left for ")
    assert full.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--as", "rows", "--out", "g"), "--as must be profiles or events, got 'rows'"),
        (
            ("--as", "events", "--out", "g"),
            "a log is written as Parquet or CSV, got g; end its name in .parquet",
        ),
        (
            ("--as", "events", "--format", "xml", "--out", "g"),
            "--format must be parquet or csv, got 'xml'",
        ),
        (("--out", "-"), "--format and --out - are for a log; add --as events"),
        (
            ("--shard", "4/3", "--out", "g"),
            "--shard must be like 3/16, from 1/16 to 16/16; got '4/3'",
        ),
        (
            ("--start", "2027-01-05", "--out", "g"),
            "these windows begin on a Fri, and 2027-01-05 is a Tue; start on",
        ),
    ],
)
def test_what_cannot_be_is_one_line(here, capsys, options, says):
    assert call("generate", "run", "--users", "9", *options) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_peaks_make_no_events(population, tmp_path, capsys):
    fit(BetaVAE, population, BetaVAEConfig(latents=2), fit=SMALL, out=tmp_path / "run")
    assert (
        call(
            "generate", str(tmp_path / "run"), "--as", "events", "--out", str(tmp_path / "log.csv")
        )
        == 2
    )
    assert "expected profiles of unit count, got peak" in capsys.readouterr().err
    assert not (tmp_path / "log.csv").exists()


def test_old_folders_and_damaged_ones(here, tmp_path, capsys):
    old = StoredProfiles.open("profiles").load()
    save(tmp_path / "old", old.chunks(), old.axes, {})
    assert call("export", str(tmp_path / "old"), "--out", str(tmp_path / "log.csv")) == 0
    header, *rows = (tmp_path / "log.csv").read_text().splitlines()
    assert (header, len(rows)) == ('"user","timestamp","channel"', int(old.values.sum()))
    marker = tmp_path / "old" / "habitus.json"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"about": {"log": {"user": 1}}}))
    capsys.readouterr()
    assert call("export", str(tmp_path / "old"), "--out", str(tmp_path / "log2.csv")) == 2
    assert "damaged or foreign: expected a text at about.log.user, got 1" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", "old"]


def test_a_run_without_a_log_still_makes_events(tmp_path):
    profiles = random_profiles(AXES, 80, density=0.2)
    run = fit(BetaVAE, profiles, COUNTS, fit=SMALL)
    made = generate(run, 70, 1, inactive="keep")
    assert "log" not in made.about
    events = to_events(made, 1)
    log = EventLog.open(
        events, user="user", time="timestamp", channel="channel", timezone=AXES.timezone
    )
    again = profile(
        log,
        ProfileConfig(AXES.start, days=5, slot_minutes=120, channels=AXES.channels, min_users=1),
    )
    assert same(again, made.take(np.diff(made.indptr) > 0))
    assert generate_to(tmp_path / "g", run, GenerateConfig(3)).axes.unit == "count"
