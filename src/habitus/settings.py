"""Classes of settings: frozen pydantic dataclasses that reject invalid values in one line.

    @configuration
    class BetaVAEConfig:
        beta: NotNegative = 0.1
        latents: Positive = 10
        architecture: Literal["conv", "strided"] = "conv"

One declaration gives the checks, the reading of ``--set key=value`` and of a run's JSON, and the
choices in a help.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable
from functools import wraps
from types import NoneType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

T = TypeVar("T")

MOST = 2**31 - 1  # of whatever is counted
MOST_LAYERS = 100
MOST_SEED = 2**32 - 1  # largest seed of scikit-learn
MOST_DAYS = 36_525  # of a window: a century
LARGEST = 1e30  # of weights and factors, so that float32 holds what they multiply
FIRST_DAY = dt.date(1678, 1, 1)  # times in nanoseconds begin and end with these years
LAST_DAY = dt.date(2261, 12, 31)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _factor(value: float) -> float:
    if not 1 / LARGEST <= abs(value) <= LARGEST:
        raise PydanticCustomError("factor", "Input should be a factor")
    return value


def _written_out(value: Any) -> Any:
    """Refuse texts that pydantic takes for a date though they are a number of seconds."""
    if isinstance(value, str) and not DATE.fullmatch(value):
        raise PydanticCustomError("date", "Input should be a date")
    return value


Positive = Annotated[int, Field(ge=1, le=MOST)]
Several = Annotated[int, Field(ge=2, le=MOST)]
Whole = Annotated[int, Field(ge=0, le=MOST)]
Layers = Annotated[int, Field(ge=1, le=MOST_LAYERS)]
Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST)]
AboveZero = Annotated[float, Field(gt=0, le=LARGEST)]
Rate = Annotated[float, Field(gt=0, le=1000)]
Factor = Annotated[float, AfterValidator(_factor)]
Share = Annotated[float, Field(ge=0, lt=1)]
ClosedShare = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Date = Annotated[dt.date, Field(ge=FIRST_DAY, le=LAST_DAY), BeforeValidator(_written_out)]
"""Meanings of numbers and dates, each with the limits that hold wherever there is such a value: in
a class of settings, in ``--set``, and in an option of the command line."""

RULES = ConfigDict(extra="forbid", allow_inf_nan=False)
EXPECTED = {
    "int": "a whole number (int)",
    "float": "a number (float)",
    "finite_number": "a number (float)",
    "bool": "true or false (bool)",
    "date": "a date such as 2018-12-24",
    "factor": f"a number other than 0, from {1 / LARGEST:g} to {LARGEST:g} in size",
    "string": "a text (str)",
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
}
"""Descriptions of what a value must be, by the type of pydantic's error or its first word."""

LONGEST = 80  # characters of a refused value that a message repeats

Types = dict[str, Any]
"""Type hint of each setting by its name; of one that may be None, the hint of its other values."""


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def configuration(kind: type[T]) -> type[T]:
    """Make a class a frozen pydantic dataclass that refuses values with a one-line ValueError."""
    made: Any = dataclass(kind, frozen=True, config=RULES)
    names = [field.name for field in dataclasses.fields(made)]
    validate = made.__init__

    @wraps(validate)
    def init(self: T, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in names:
                raise ValueError(
                    f"no setting {name!r}; {kind.__name__} has {', '.join(sorted(names))}"
                )
        try:
            validate(self, *args, **kwargs)
        except ValidationError as error:
            raise ValueError(one_line(error, names)) from None

    made.__init__ = init
    return made


def one_line(error: ValidationError, names: list[str] | None = None, what: str = "") -> str:
    """Message for the first thing that pydantic refused: what it must be, and what it is.

    Args:
        error: Pydantic's own error, of several lines.
        names: Fields in order, where values may have been given by position.
        what: Put before the place of the value.
    """
    first = error.errors(include_url=False)[0]
    place = [names[at] if names and isinstance(at, int) else str(at) for at in first["loc"][:1]]
    place += [str(at) for at in first["loc"][1:]]
    name = " ".join(filter(None, [what, ".".join(place)])) or "the value"
    context = first.get("ctx", {})
    kind = first["type"]
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if "missing" in kind:
        return f"{name} is missing"
    value = repr(first["input"])
    got = value if len(value) <= LONGEST else value[: LONGEST - 3] + "..."
    if kind == "literal_error":
        choices = context["expected"].replace(" or ", ", ").replace("'", "")
        return f"{name} must be one of {choices}; got {got}"
    expected = EXPECTED.get(kind, EXPECTED.get(kind.split("_")[0]))
    if expected is not None:
        bounds = {key: str(value).removesuffix(".0") for key, value in context.items()}
        return f"{name} must be {expected.format(**bounds)}, got {got}"
    return f"{name}: {first['msg'].replace('Input should', 'it should')}, got {got}"


def types_of(kind: type[Any]) -> Types:
    """Type hints of a dataclass' fields by name; an optional field has that of its other values."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: _without_none(hints[field.name]) for field in dataclasses.fields(kind)}


def _without_none(hint: Any) -> Any:
    """First of the hint's alternatives that is not None."""
    alternatives = get_args(hint)
    if NoneType not in alternatives:
        return hint
    return next(each for each in alternatives if each is not NoneType)


def is_number_hint(hint: Any) -> bool:
    """Tell whether values of a type hint are numbers, whole or not.

    >>> [is_number_hint(hint) for hint in (Positive, float, bool, Literal["conv"])]
    [True, True, False, False]
    """
    return (get_args(hint)[0] if get_origin(hint) is Annotated else hint) in (int, float)


def settings_of(kind: type[Any], pairs: Iterable[str]) -> dict[str, Any]:
    """Read settings of a dataclass from ``key=value`` texts, each as its field is typed.

    Raises:
        ValueError: naming the field and its type, if there is no such field or the value is not of
            that type.
    """
    types = types_of(kind)
    texts = (key_and_text(pair, types, "--set", "value") for pair in pairs)
    return {name: value_of(name, text, types[name]) for name, text in texts}


def key_and_text(pair: str, types: Types, option: str, what: str) -> tuple[str, str]:
    """Split ``key=text`` into a known key and its text.

    Args:
        pair: Given text.
        types: The known keys.
        option: The option that it was given to, for messages.
        what: Kind of the text, for messages.

    Raises:
        ValueError: if it is not so written, or the key is not known.
    """
    name, equals, text = pair.partition("=")
    if not equals:
        raise ValueError(
            f"{option} must be key={what}, got {pair!r}; the keys are {_listed(types)}"
        )
    if name not in types:
        raise ValueError(f"no setting {name!r}; {option} takes {_listed(types)}")
    return name, text


def value_of(name: str, text: str, hint: Any) -> Any:
    """Read the value of a setting from a text.

    Raises:
        ValueError: naming the setting and its type, if the text is not of that type.
    """
    try:
        return TypeAdapter(hint, config=RULES).validate_python(text)
    except ValidationError as error:
        raise ValueError(one_line(error, what=f"setting {name}")) from None


def _listed(types: Types) -> str:
    """Names of settings, each with its type or its choices in brackets."""
    return ", ".join(f"{name} ({type_name(hint)})" for name, hint in types.items())


def type_name(hint: Any) -> str:
    """Short name of a type hint: choices with bars between them, or the name of the type."""
    if get_origin(hint) is Literal:
        return "|".join(get_args(hint))
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else get_origin(hint) or hint
    return plain.__name__
