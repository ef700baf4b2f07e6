"""Databases behind URLs: credentials from the environment, masked texts, errors in one line.

A password stands in a URL (``postgres://me:secret@host/shop#clicks``, ``?password=secret``), in a
variable of the environment that the URL names (``postgres://me:${SHOP_PASSWORD}@host/shop#clicks``)
or where the engine itself looks for it (``PGPASSWORD`` and the file ``PGPASSFILE`` of PostgreSQL).
Whatever may hold a URL passes :func:`masked` before it is printed, raised or written.
"""

from __future__ import annotations

import os
import re
import sys
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

MASK = "***"
SHORTEST = 4  # characters; a shorter value is part of ordinary words, and masked in its place only
LONGEST = 500  # characters of an engine's message, which may repeat a whole query

_NAME = (
    r"[\w.-]*(?:password|passwd|passphrase|passcode|pwd|secret|token|credentials?"
    r"|(?:private|access|account|api|secret|shared|encryption)[_-]?key(?:[_-]?id)?)"
)
_END = r"(?=&[\w.-]+=|[\s;]|[\"'](?:[\s,;:)\]}]|$)|$)"
_PATTERNS = (
    # scheme://user:password@host, and the same without its scheme. Up to the last @ without a space
    # between, as in a password that should have been escaped: rather too much than too little.
    (re.compile(r"(?<![\w+.-])([A-Za-z][\w+.-]*:/{1,3}[^\s:/@]*:)\S*@"), r"\1***@"),
    (re.compile(r"(?<![^\s'\"(=])([^\s:@'\"]*:)(?!/)\S*@"), r"\1***@"),
    (re.compile(r"(\bhttps?://)[^\s:/@?#]+@", re.I), r"\1***@"),
    # 'password': 'secret', as of dictionaries and JSON
    (re.compile(rf"([\"']{_NAME}[\"']\s*:\s*)(\"[^\"]*\"|'[^']*')", re.I), r"\1'***'"),
    # password=secret, of query strings, and as libpq, ODBC and JDBC write it
    (
        re.compile(rf"(\b{_NAME}\s*=\s*)(?:'[^']*'|\"[^\"]*\"|{{[^}}]*}}|\S*?{_END})", re.I),
        r"\1***",
    ),
    (re.compile(rf"([?&](?:sig|key|code|auth|sas)=)\S*?{_END}", re.I), r"\1***"),
    (re.compile(r"(\bBearer\s+|\bauthorization\s*[:=]\s*(?:\w+\s+)?)[^\s'\"]+", re.I), r"\1***"),
)
# What was meant as a URL or its end, with everything that may be its password.
_TYPED = re.compile(r"(?:[A-Za-z][\w+.-]*:/{1,3})?[^:]*:(.+)@", re.S)
_SENSITIVE = re.compile(_NAME, re.I)
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_OF_ENVIRONMENT = re.compile(
    r"\w*(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|ACCESS_KEY|API_KEY)|\w+_PWD", re.I
)

# Values that were given as credentials in this process, as they are written in any text.
_known: set[str] = set()

# Names that PEP 249 prescribes for the base classes of every driver's errors.
_DRIVER_ERRORS = frozenset({"Error", "DatabaseError", "InterfaceError"})
# Beginnings of lines that say nothing: of py4j (Spark) and of ClickHouse's driver.
_PREFACES = ("An error occurred while calling", "An exception was thrown", "HTTPDriver for")


def is_url(text: str) -> bool:
    """True for a URL, or a variable of the environment that stands for one."""
    return "://" in text or _VARIABLE.fullmatch(text) is not None


def resolved(text: str) -> str:
    """A URL with each ``${NAME}`` replaced by the environment's value; its credentials are noted.

    A value is percent-encoded where it stands within the URL; a variable that is all of the text is
    a URL of its own. From now on :func:`masked` knows the credentials.

    Raises:
        ValueError: for a variable that is not set, or a password with characters that end it.
    """
    whole = _VARIABLE.fullmatch(text)
    if whole:
        text = _variable(whole[1])
    else:
        # What comes before the @, and after the ?, is decoded by those who read it.
        before, _, after = text.rpartition("@")
        path, question, query = after.partition("?")
        text = (
            (_VARIABLE.sub(_quoted, before) + "@" if before else "")
            + _VARIABLE.sub(lambda found: _variable(found[1]), path)
            + question
            + _VARIABLE.sub(_quoted, query)
        )
    note_typed(text)
    _check_escaped(text)
    return text


def note_typed(text: str) -> None:
    """Note what stands between a colon and the last @ of a text that a user typed, as a password.

    Such a text may be no URL, for want of a slash say, and is repeated by the message that says so.
    """
    found = _TYPED.match(text)
    if found and found[1] not in text[: found.start(1)] + text[found.end(1) :]:
        _note(found[1])
    if "://" in text:
        _note_of_url(text)


def masked(text: str) -> str:
    """A text with the credentials in it replaced by asterisks.

    Masked are the values that :func:`resolved` saw, those of variables such as PGPASSWORD, and
    whatever stands where a URL or a connection string has a password, a token or a key.

    >>> masked("cannot open postgres://me:se/c@ret@host/x?sslpassword=abc&user=me#clicks")
    'cannot open postgres://me:***@host/x?sslpassword=***&user=me#clicks'
    >>> masked("password='s e c' host=db")
    'password=*** host=db'
    """
    variables = [value for name, value in os.environ.items() if _OF_ENVIRONMENT.fullmatch(name)]
    known = _known.union(*(_spellings(value) for value in variables))
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, MASK)
    for pattern, kept in _PATTERNS:
        text = pattern.sub(kept, text)
    return text


def is_engine_error(error: BaseException) -> bool:
    """True for an error of an engine, its driver or the way to it; False for a mistake in Python.

    Engines have exceptions of their own, which cannot all be imported here: those of drivers have
    the base classes of PEP 249, and all others come from a library and not from Python. A bare
    ``Exception`` is DataFusion's.
    """
    if type(error) is Exception or isinstance(error, OSError | ImportError):
        return True
    return isinstance(error, Exception) and any(
        kind.__name__ in _DRIVER_ERRORS or _is_of_a_library(kind) for kind in type(error).__mro__
    )


def reason(error: BaseException) -> str:
    """What an engine's error says, in one line without credentials; its name if it says nothing."""
    cause = getattr(error, "orig", None) or error  # SQLAlchemy wraps the driver's own
    try:
        text = str(cause)
    except Exception:  # py4j asks a Java process, which may be what has died
        text = ""
    lines = [line.strip().removeprefix(":").strip() for line in text.splitlines()]
    telling = [line for line in lines if line and not line.startswith(_PREFACES)]
    line = masked((telling or [type(cause).__name__])[0])
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def _is_of_a_library(kind: type) -> bool:
    package = kind.__module__.partition(".")[0]
    return package not in sys.stdlib_module_names and package not in ("habitus", "numpy")


def _variable(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ValueError(
            f"the URL names ${{{name}}}, which the environment does not have; set it, or write a "
            "$ as %24"
        ) from None


def _quoted(found: re.Match[str]) -> str:
    return quote(_variable(found[1]), safe="")


def _check_escaped(url: str) -> None:
    """Refuse a URL whose password would be cut where it is not escaped, and land in a message."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    beyond = rest[len(authority) :]
    credentials = ":" in authority or "@" in authority
    if authority.count("@") > 1 or (credentials and "@" in beyond) or beyond.count("#") > 1:
        raise ValueError(
            f"the URL {scheme}://*** cannot be read: write the characters @ : / ? # of a password "
            "as %40 %3A %2F %3F %23, or give it as ${NAME} from the environment"
        )


def _note_of_url(url: str) -> None:
    """Note the credentials of a URL, in its user's part and in its query."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, _, host = authority.rpartition("@")
    secret = [user.partition(":")[2]]
    for name, value in parse_qsl(rest.partition("?")[2].partition("#")[0]):
        if _SENSITIVE.fullmatch(name):
            secret.append(value)
    # A password that is also the name of the user or the host is masked in its place only.
    elsewhere = masked(url)
    for value in secret:
        if value not in elsewhere:
            _note(value)
    port = host.partition(":")[2]
    if not port.isdecimal() and not host.startswith("[") and scheme != "duckdb":
        _note(port)  # of user:password where @host was forgotten


def _note(value: str) -> None:
    if _VARIABLE.fullmatch(value):
        return
    _known.update(_spellings(value))


def _spellings(value: str) -> set[str]:
    """A value as it is, encoded and decoded, and within the quotes of Python."""
    decoded = {value, unquote(value), unquote_plus(value)}
    encoded = {quote(each, safe="") for each in decoded}
    every = decoded | encoded | {repr(each)[1:-1] for each in decoded}
    return {each for each in every if len(each) >= SHORTEST}
