"""The embedded engine reads a log's own files once the log is open, and nothing else."""

import datetime as dt
import gc
import os

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from habitus.events import EventLog, read_source

NOON = dt.datetime(2018, 2, 1, 12)
TABLE = pa.table({"who": [1, 2], "when": [NOON, NOON]})
SHUT = [
    "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_csv('{}/other.csv')",
    "SELECT * FROM '{}/other.csv'", "SELECT * FROM glob('/etc/*')", "COPY (SELECT 1) TO '{}/new.csv'",
    "ATTACH '{}/new.db'", "ATTACH 'other.db'", "EXPORT DATABASE '{}/new'", "INSTALL httpfs",
    "SET enable_external_access = true", "SET allowed_paths = ['/etc/passwd']",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
]  # fmt: skip


def check_locked(table, folder) -> None:
    con = ibis.get_backend(table)
    for statement in SHUT:
        with pytest.raises(duckdb.Error, match=r"disabled|locked|Cannot change|Permission"):
            con.raw_sql(statement.replace("{}", str(folder)))
    assert {path.name for path in folder.rglob("new*")} == set()


@pytest.mark.parametrize(
    "source", ["log.parquet", "./log.parquet", "deep", "deep/*/*.parquet", "**/log*.parquet", "log.csv",
               "it's [1] ü#.parquet", "link/log.parquet", ".hidden/*.parquet", "{whole}/log.csv"]
)  # fmt: skip
def test_a_log_reads_its_own_files_only(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("log", "deep/er/log", "deep/er/log2", "it's [1] ü#", ".hidden/log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(TABLE, f"{name}.parquet")
    (tmp_path / "link").symlink_to("deep/er")
    for name in ("log.csv", "other.csv"):
        (tmp_path / name).write_text("who,when\n1,2018-02-01 12:00:00\n")
    log = EventLog.open(source.format(whole=tmp_path), user="who", time="when", filter="who < 9")
    assert log.days() == (NOON.date(), NOON.date())
    check_locked(log.table, tmp_path)
    monkeypatch.chdir("/")
    assert log.table.count().to_pyarrow().as_py() >= 1


def test_rows_in_memory_open_no_files(tmp_path):
    (tmp_path / "other.csv").write_text("a\n1\n")
    log = EventLog.open(TABLE, user="who", time="when")
    check_locked(log.table, tmp_path)
    extra = ibis.memtable(pa.table({"n": [1, 3]}))
    assert log.table.join(extra, log.table.who == extra.n).count().to_pyarrow().as_py() == 1


def test_what_does_not_fit_into_memory_still_goes_to_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spilled"))
    (tmp_path / "spilled").mkdir()
    rng = np.random.default_rng(0)
    rows = pa.table({name: rng.integers(0, 2**60, 2_000_000) for name in "xy"})
    pq.write_table(rows, tmp_path / "log.parquet")
    table = read_source(str(tmp_path / "log.parquet"), "30MB")
    batches = table.order_by("x").to_pyarrow_batches()
    first = next(iter(batches))
    assert [path.name[:8] for path in (tmp_path / "spilled").iterdir()] == ["habitus-"]
    assert len(first) + sum(len(batch) for batch in batches) == 2_000_000
    del batches, first, table
    gc.collect()
    assert list((tmp_path / "spilled").iterdir()) == []


class TestDatabase:
    @pytest.fixture
    def url(self, tmp_path):
        (tmp_path / "near.csv").write_text("who,when\n1,2018-02-01 12:00:00\n")
        with duckdb.connect(str(tmp_path / "shop.ddb")) as con:
            con.execute(
                "CREATE TABLE clicks AS SELECT 1 AS who, TIMESTAMP '2018-02-01 12:00' AS when_"
            )
            con.execute(f"CREATE VIEW near AS SELECT * FROM read_csv('{tmp_path}/near.csv')")
            con.execute("CREATE VIEW far AS SELECT content AS who FROM read_text('/etc/passwd')")
        return f"duckdb://{tmp_path}/shop.ddb"

    def test_views_read_files_beside_it_and_no_others(self, url):
        for name in ("clicks", "near"):
            assert read_source(f"{url}#{name}", "1GB").count().to_pyarrow().as_py() == 1
        with pytest.raises(
            ValueError, match=r"cannot read duckdb://.*far: Permission Error.*passwd"
        ):
            EventLog.open(f"{url}#far", user="who", time="who").table.count().to_pyarrow()

    def test_a_variable_of_the_environment_stands_for_all_or_a_part_of_it(self, url, monkeypatch):
        monkeypatch.setenv("SHOP", f"{url}#clicks")
        monkeypatch.setenv("PLACE", url.removeprefix("duckdb://"))
        for source in ("${SHOP}", "duckdb://${PLACE}#clicks"):
            log = EventLog.open(source, user="who", time="when_")
            assert log.table.count().to_pyarrow().as_py() == 1

    def test_it_is_only_read(self, url, tmp_path):
        before = (tmp_path / "shop.ddb").read_bytes()
        table = read_source(f"{url}#clicks", "1GB")
        with pytest.raises(duckdb.Error, match="read-only"):
            ibis.get_backend(table).raw_sql("DROP TABLE clicks")
        assert (tmp_path / "shop.ddb").read_bytes() == before
        with pytest.raises(ValueError, match="does not exist"):
            read_source(f"duckdb://{tmp_path}/none.ddb#clicks", "1GB")
        assert not os.path.lexists(tmp_path / "none.ddb")

    def test_one_that_is_open_already_stays_as_it_is(self, url, tmp_path):
        with duckdb.connect(str(tmp_path / "shop.ddb")) as con:
            table = read_source(f"{url}#clicks", "1GB")
            assert table.count().to_pyarrow().as_py() == 1
            con.execute(f"COPY clicks TO '{tmp_path}/copy.csv'")
            con.execute("SET threads = 1")
