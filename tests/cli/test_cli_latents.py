"""``habitus traverse`` and ``habitus explain``: outputs, messages, and bad input in one line."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from matplotlib.image import imread

from command_line import call
from conftest import random_profiles
from habitus.models.pictures.beta_vae import BetaVAE, BetaVAEConfig
from habitus.models.pictures.context_vae import ContextVAE, ContextVAEConfig
from habitus.profiles.factors import factors_file
from habitus.profiles.store import save
from habitus.schema import Axes
from habitus.training.config import FitConfig
from habitus.training.fit import fit

USERS = 120
AXES = Axes(dt.date(2018, 2, 1), 9, 120, ("web", "smart tv", "phone"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with latents, one without, profiles with an attribute, and a table of factors."""
    path = tmp_path_factory.mktemp("latents")
    profiles = random_profiles(AXES, USERS)
    country = pa.array(["Sweden", "Norway"] * (USERS // 2))
    users = profiles.users.append_column("country", country)
    profiles = type(profiles)(
        profiles.axes, profiles.indptr, profiles.cells, profiles.values, users
    )
    save(path / "train", [profiles], AXES)
    other = Axes(dt.date(2018, 2, 1), 8, 120, AXES.channels)
    save(path / "other", [random_profiles(other, 20)], other)
    how = FitConfig(epochs=1, batch=60)
    fit(BetaVAE, profiles, BetaVAEConfig(latents=3), fit=how, out=path / "vae")
    fit(ContextVAE, profiles, ContextVAEConfig(latents=3), fit=how, out=path / "vce")
    hours = np.random.default_rng(0).uniform(0, 24, USERS)
    table = pa.table(
        {"user_id": users["user"], "hour": hours, "loyal": [True, False, False] * (USERS // 3)}
    )
    pq.write_table(table, path / "factors.parquet")
    pyarrow.csv.write_csv(table, path / "factors.csv")
    return path


@pytest.fixture
def run(folder, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def with_paths(*args: str) -> tuple[int, str, str]:
        return call(
            capsys, *(str(folder / arg[1:]) if arg.startswith("@") else arg for arg in args)
        )

    return with_paths


class TestTraverse:
    def test_one_figure_of_the_sum(self, run, tmp_path):
        code, out, _ = run("traverse", "@vae", "--out", "traversal.png", "--points", "4")
        assert code == 0
        assert imread(tmp_path / "traversal.png").std() > 0
        assert "3 dimensions, 4 points each" in out
        assert out.count("learned variance") == 3

    def test_a_figure_for_every_channel(self, run, tmp_path):
        assert (
            run("traverse", "@vae", "--channel", "all", "--points", "2", "--out", "t.png")[0] == 0
        )
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"t-web.png", "t-smart-tv.png", "t-phone.png", "t-sum.png"}

    @pytest.mark.parametrize("channel", ["smart tv", "1"])
    def test_a_channel_by_name_or_number(self, run, channel):
        _, out, _ = run(
            "traverse",
            "@vae",
            "--channel",
            channel,
            "--dims",
            "2,0",
            "--points",
            "2",
            "--out",
            "t.png",
        )
        assert "channel smart tv, 2 dimensions" in out

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (("--dims", "3"), "there is no dimension 3; the run has 3, from 0 to 2"),
            (("--dims", "one"), "--dims must be all, or numbers separated by commas; got 'one'"),
            (
                ("--channel", "radio"),
                "--channel must be sum, all or one of 0 (web), 1 (smart tv), 2 (phone)",
            ),
            (("--channel", "3"), "got '3'"),
            (("--order", "size"), "order must be variance or kl"),
            (("--prior", "flat"), "prior must be normal or mixture"),
            (("--out", "t.jpg"), "give a name that ends in .png"),
        ],
    )
    def test_refused(self, run, tmp_path, options, expected):
        code, _, err = run("traverse", "@vae", *options)
        assert (code, err.count("\n")) == (2, 1)
        assert expected in err
        assert list(tmp_path.iterdir()) == []

    def test_a_run_without_latents(self, run):
        code, _, err = run("traverse", "@vce", "--out", "t.png")
        assert (code, err.count("\n")) == (2, 1)
        assert (
            "a ContextVAE has no latents of whole users; give a run of another model, such as "
            "beta-vae" in err
        )


class TestExplain:
    def test_attributes_and_a_table_of_factors(self, run, tmp_path):
        code, out, err = run(
            "explain", "@vae", "@train", "--factors", "@factors.parquet", "--hours", "hour",
            "--walks", "8",
            "--json", "explained.json", "--html", "explained.html",
        )  # fmt: skip
        assert code == 0, err
        told = json.loads((tmp_path / "explained.json").read_text())
        assert len(told["dimensions"]) == 3
        assert told["factors"]["prediction"].keys() == {"country", "hour", "loyal"}
        page = (tmp_path / "explained.html").read_text()
        assert "Known factors of the users" in page
        assert "country" in page
        assert "share of known factors explained" in out

    def test_csv_is_read_as_parquet_is(self, folder):
        users = pq.read_table(folder / "train" / "profiles.parquet", columns=["user"])
        both = [factors_file(folder / f"factors.{kind}", users) for kind in ("csv", "parquet")]
        assert both[0]["loyal"] == both[1]["loyal"]
        np.testing.assert_allclose(both[0]["hour"], both[1]["hour"])

    def test_users_in_another_order_and_one_too_few(self, folder, tmp_path):
        users = pa.table({"user": pa.array([5, 1, 99999])})
        table = pq.read_table(folder / "factors.parquet")
        expected = [*table["hour"].take(pa.array([5, 1])).to_pylist(), None]
        assert factors_file(folder / "factors.parquet", users)["hour"] == expected

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (("@vce", "@train"), "a ContextVAE has no latents"),
            (("@vae", "@other"), "days differ: 9 against 8"),
            (
                ("@vae", "@train", "--factors", "nowhere.parquet"),
                "no such file: nowhere.parquet",
            ),
            (("@vae", "@train", "--factors", "@vae/habitus.json"), "is no readable CSV file"),
            (
                ("@vae", "@train", "--factors", "@factors.csv", "--user", "id"),
                "there is no column 'id'",
            ),
            (
                ("@vae", "@train", "--factors", "@factors.csv", "--user", "loyal"),
                "has a value twice",
            ),
            (
                ("@vae", "@train", "--factors", "@factors.csv", "--user", "hour"),
                "no user of the profiles",
            ),
            (
                ("@vae", "@train", "--hours", "noon"),
                "--hours noon is no known factor; there are: country",
            ),
        ],
    )
    def test_refused(self, run, tmp_path, options, expected):
        code, _, err = run("explain", *options, "--json", "explained.json")
        assert (code, err.count("\n")) == (2, 1), err
        assert expected in err
        assert list(tmp_path.iterdir()) == []
