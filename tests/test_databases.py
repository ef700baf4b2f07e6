"""Credentials in texts and URLs, and errors of engines in one line."""

import string
from urllib.parse import quote, quote_plus

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from habitus import databases
from habitus.databases import is_engine_error, masked, reason, resolved

# no letter of the URLs below, so that what is found is of the password
SECRETS = st.text("XYZ0123456789" + string.punctuation + "éß", min_size=6, max_size=20).filter(
    lambda text: "X" in text and not set(text) <= set(string.punctuation)
)
TEMPLATES = (
    "postgres://bob:{}@host/shop#clicks", "postgres://:{}@host:5432/shop", "mysql://bob:{}@[::1]/x",
    "postgres://host/shop?user=bob&password={}#clicks", "snowflake://bob:{}@acc/db?role=r#t",
    "duckdb://md:shop?motherduck_token={}#t", "postgres://bob@host/x?sslpassword={}&sslmode=require",
    "clickhouse://host/?aws_secret_access_key={}", "databricks://token:{}@host?http_path=/sql#t",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def forgetting():
    """Leave no credentials of these tests to others."""
    before = set(databases._known)
    yield
    databases._known.clear()
    databases._known.update(before)


@pytest.fixture
def environment(monkeypatch):
    """Set a variable of the environment, with no credentials known."""
    databases._known.clear()
    return monkeypatch.setenv


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=20, deadline=None)
@given(secret=SECRETS)
def test_credentials_of_urls_are_masked_wherever_they_appear(template, secret):
    """Encoded in the URL; in messages as drivers write them: decoded, quoted, or half of a URL."""
    databases._known.clear()
    url = template.format(quote(secret, safe=""))
    assert resolved(url) == url
    for said in (url, f"{url!r}", f"bad {secret}!", f"got {secret!r}", f"x={quote_plus(secret)}"):
        shown = masked(f"cannot read {said}")
        assert secret not in shown
        assert quote(secret, safe="") not in shown
        assert masked(shown) == shown
    assert masked("cannot read the table clicks of host") == "cannot read the table clicks of host"


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=20, deadline=None)
@given(secret=st.text(string.ascii_letters + string.digits + "-_.!", min_size=1, max_size=20))
def test_credentials_are_masked_in_urls_that_nobody_announced(template, secret):
    databases._known.clear()
    shown = masked(f"see '{template.format(secret)}'; do")
    assert shown.count("***") == 1
    assert masked(template.format("***")) in shown
    assert shown.endswith("; do")


@pytest.mark.parametrize("template", [each for each in TEMPLATES if "{}@" in each])
@settings(max_examples=20, deadline=None)
@given(secret=st.text("ab@:/?#%[]", min_size=1, max_size=8).map("XYZ{}Q7Q".format))
def test_a_password_that_is_not_escaped_is_refused_or_masked_whole(template, secret):
    databases._known.clear()
    url = template.format(secret)
    try:
        shown = masked(resolved(url))
    except ValueError as error:
        shown = str(error)
    assert "XYZ" not in shown
    assert "Q7Q" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("host=db user=me password=abc port=5", "host=db user=me password=*** port=5"),
        ("password = 'a b' dbname=x", "password = *** dbname=x"),
        ("Server=db;PWD={a;b};Port=1", "Server=db;PWD=***;Port=1"),
        ("{'user': 'me', 'password': 'abc'}", "{'user': 'me', 'password': '***'}"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("authorization=Basic abc=", "authorization=Basic ***"),
        ("https://sometoken@host/x", "https://***@host/x"),
        ("bob:abc@host", "bob:***@host"),
        ("postgresql//bob:abc@host", "postgresql//bob:***@host"),
        ("https://store/x.parquet?sv=1&sig=abc%3D", "https://store/x.parquet?sv=1&sig=***"),
        ("mysql://me:abc@a/x, mysql://me:def@b/y", "mysql://me:***@a/x, mysql://me:***@b/y"),
    ],
)
def test_forms_of_credentials(text, shown, environment):
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "no column 'token'; the log has user, time", "expected 1:30, got 30 @ 1", "see a@b.c: no",
        "duckdb:///data/me@work/shop.ddb#t", "key=3, tokens=5, bypass=2", "Basic statistics",
        "postgres://bob@host:5432/shop#clicks", "s3://bucket/*.parquet", "C:\\data\\log.csv",
        "2018-02-01T10:30:00+02:00", "10:30", "latents=2 batch=3", "sqlite:////a/b:c/sweep.db",
    ],
)  # fmt: skip
def test_what_is_no_credential_stays(text, environment):
    assert masked(text) == text


class TestEnvironment:
    def test_a_variable_stands_for_a_password_with_any_character(self, environment):
        environment("SHOP", "a@b:c/d?e#f g%é")
        url = resolved("postgres://bob:${SHOP}@host/x?password=${SHOP}#t")
        encoded = "a%40b%3Ac%2Fd%3Fe%23f%20g%25%C3%A9"
        assert url == f"postgres://bob:{encoded}@host/x?password={encoded}#t"
        assert "a@b" not in masked("wrong: a@b:c/d?e#f g%é")

    def test_a_variable_stands_for_a_host_or_a_path_as_it_is(self, environment):
        environment("PLACE", "/data/a b")
        assert resolved("duckdb://${PLACE}/shop.ddb#t") == "duckdb:///data/a b/shop.ddb#t"

    def test_a_variable_may_be_the_whole_url(self, environment):
        environment("WHOLE", "postgres://bob:s3cret@host/x#t")
        assert databases.is_url("${WHOLE}")
        assert resolved("${WHOLE}") == "postgres://bob:s3cret@host/x#t"
        assert masked("s3cret") == "***"

    def test_one_that_is_not_set_is_an_error(self, monkeypatch):
        monkeypatch.delenv("NOT_SET", raising=False)
        with pytest.raises(ValueError, match=r"names \$\{NOT_SET\}, which the environment"):
            resolved("postgres://bob:${NOT_SET}@host/x#t")

    def test_a_dollar_without_braces_is_a_dollar(self, environment):
        assert resolved("postgres://bob:pa$SHELL@host/x") == "postgres://bob:pa$SHELL@host/x"

    @pytest.mark.parametrize(
        "name",
        ["PGPASSWORD", "MYSQL_PWD", "CLICKHOUSE_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MY_TOKEN"],
    )
    def test_passwords_where_engines_look_for_them_are_masked(self, name, environment):
        environment(name, "s3cretword")
        assert masked("no s3cretword here") == "no *** here"

    def test_a_password_that_is_also_a_user_is_masked_in_its_place(self, environment):
        url = resolved("postgres://postgres:postgres@host/x#t")
        assert masked(url) == "postgres://postgres:***@host/x#t"


def named(name: str, module: str, base: type[Exception] = Exception, says: str = "") -> Exception:
    """An exception of a class as a library defines it."""
    kind = type(name, (base,), {"__module__": module})
    return kind(says)


def of_driver(module: str, says: str) -> Exception:
    """An exception three classes below the Error of a driver, as PEP 249 prescribes."""
    error = type("Error", (Exception,), {"__module__": module})
    return named("ConnectionTimeout", module, type("DatabaseError", (error,), {}), says)


class SparkError(Exception):
    """Py4J's, whose text asks a Java process."""

    __module__ = "py4j.protocol"

    def __init__(self, text: str | None) -> None:
        self.text = text

    def __str__(self) -> str:
        if self.text is None:
            raise ConnectionRefusedError("the Java process has gone")
        return self.text


CONNECTING = 'connection to "postgres://bob:abc@host" failed\nIs the server running?'
ERRORS = [
    (of_driver("psycopg.errors", CONNECTING), 'connection to "postgres://bob:***@host" failed'),
    (of_driver("psycopg2", "  no table \n"), "no table"),
    (of_driver("sqlite3", "no table"), "no table"),
    (named("UndefinedTableError", "asyncpg.exceptions", says="no table"), "no table"),
    (named("AnalysisException", "pyspark.errors.exceptions.captured", says="no\ntable"), "no"),
    (SparkError("An error occurred while calling o1.count.\n: org.x.SparkException: Job aborted\n\tat"),
     "org.x.SparkException: Job aborted"),
    (SparkError(None), "SparkError"),
    (named("DatabaseError", "clickhouse_connect.driver.exceptions",
           says=":HTTPDriver for http://h:8123 returned response code 516\n Code: 516. denied"),
     "Code: 516. denied"),
    (named("Forbidden", "google.api_core.exceptions", says="403 no"), "403 no"),
    (OperationalError("SELECT 1", {"password": "abc"}, of_driver("psycopg", "no server")), "no server"),
    (duckdb.BinderException("Binder Error: no"), "Binder Error: no"),
    (Exception("DataFusion error: no table"), "DataFusion error: no table"),
    (ModuleNotFoundError("No module named 'psycopg'"), "No module named 'psycopg'"),
    (TimeoutError(), "TimeoutError"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "says"), ERRORS, ids=lambda each: type(each).__name__)
def test_errors_of_engines_are_known_without_importing_them(error, says):
    assert is_engine_error(error)
    assert reason(error) == says


@pytest.mark.parametrize(
    "error", [TypeError("x"), KeyError("x"), AssertionError("x"), ValueError("x"), MemoryError(),
              RuntimeError("x"), KeyboardInterrupt(), RecursionError()]
)  # fmt: skip
def test_mistakes_in_python_are_not_the_engines(error):
    assert not is_engine_error(error)


@given(st.text(max_size=100))
@example("x" * 3000)
def test_a_reason_is_one_line_and_not_long(text):
    said = reason(of_driver("psycopg", text))
    assert len(said.splitlines()) == 1
    assert len(said) <= databases.LONGEST + 3
