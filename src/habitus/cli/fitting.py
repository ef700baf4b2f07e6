"""What to fit and how: the options of commands that fit models, and how they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, replace
from typing import Annotated, Any, get_args

import typer

from habitus.models import MODELS
from habitus.models.base import Model
from habitus.recipes import RECIPES, Recipe
from habitus.settings import settings_of
from habitus.training.config import FitConfig, Optimiser, Precision, Schedule, as_asked

DEFAULT = FitConfig()
MODEL = "The model"
FITTING = "Fitting"
MACHINE = "The machine"
FIRST = next(iter(MODELS))


def _option(panel: str, name: str, help: str, **rest: Any) -> Any:
    """An option that is None where it is not given; its default is the one in FitConfig."""
    default = getattr(DEFAULT, name)
    first = "500, fewer on small sets" if default is None else str(default)
    shown = ", ".join([first, *_others(name)])
    return typer.Option(
        f"--{name.replace('_', '-')}", help=help, rich_help_panel=panel, show_default=shown, **rest
    )


def _others(name: str) -> Iterator[str]:
    """The defaults of models that have their own, those with the same one together."""
    models: dict[Any, list[str]] = {}
    for model, kind in MODELS.items():
        if name in kind.fit_defaults:
            models.setdefault(kind.fit_defaults[name], []).append(model)
    return (f"{value} for {' '.join(names)}" for value, names in models.items())


def _settings() -> str:
    """What --set takes, with the defaults of each model."""
    kinds = (f"{name}: {listed(kind.Config())}" for name, kind in MODELS.items())
    return f"A setting of the model; repeatable. {'; '.join(kinds)}."


def listed(config: Any) -> str:
    """The settings of a dataclass, in one line."""
    return ", ".join(
        f"{name}={value}" for name, value in asdict(config).items() if not isinstance(value, dict)
    )


ModelName = Annotated[
    str | None,
    typer.Option(
        "--model", help=f"One of: {', '.join(MODELS)}.", rich_help_panel=MODEL, show_default=FIRST
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help=f"Named settings to begin from, instead of --model: {', '.join(RECIPES)}.",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help=_settings(), metavar="KEY=VALUE", rich_help_panel=MODEL),
]
Epochs = Annotated[
    int | None,
    _option(
        FITTING,
        "epochs",
        "Times that each profile, or step of a series, is seen (more often where there are few).",
    ),
]
Batch = Annotated[
    int | None,
    _option(
        FITTING,
        "batch",
        "Profiles, or windows, per step; on small sets fewer than 500, for about 1,000 steps in all.",
    ),
]
OptimiserName = Annotated[
    str | None, _option(FITTING, "optimiser", f"One of: {', '.join(get_args(Optimiser))}.")
]
Rate = Annotated[float | None, _option(FITTING, "learning_rate", "Step size.")]
ScheduleName = Annotated[
    str | None,
    _option(FITTING, "schedule", f"Of the step size; one of: {', '.join(get_args(Schedule))}."),
]
Seed = Annotated[int | None, _option(FITTING, "seed", "Decides weights, order and noise.", min=0)]
HeldOut = Annotated[
    float | None,
    _option(
        FITTING,
        "held_out",
        "Share of users, or of steps, to judge on while learning; not fitted to.",
    ),
]
PrecisionName = Annotated[
    str | None,
    _option(
        MACHINE,
        "precision",
        f"One of: {', '.join(get_args(Precision))}; auto is bfloat16 where the hardware has it.",
    ),
]
Accelerator = Annotated[str | None, _option(MACHINE, "accelerator", "auto, cpu or cuda.")]
Devices = Annotated[int | None, _option(MACHINE, "devices", "Processes, each on its own device.")]
Chunk = Annotated[
    int | None, _option(MACHINE, "chunk", "Profiles computed together; fewer take less memory.")
]


FIT_OPTIONS = tuple(field.name for field in fields(FitConfig))


def fit_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a fit among a command's arguments, those that were given; epochs are what was asked."""
    return as_asked({name: given[name] for name in FIT_OPTIONS if given.get(name) is not None})


def chosen(
    model: str | None, recipe: str | None, pairs: Iterable[str], asked: dict[str, Any]
) -> Recipe:
    """What --model or --recipe, --set and the settings of the fit stand for together.

    Raises:
        ValueError: for a model, recipe or setting that there is not, or both a model and a recipe.
    """
    if recipe is None:
        kind = kind_of(model or FIRST)
        return Recipe(
            kind,
            kind.Config(**settings_of(kind.Config, pairs)),
            FitConfig(**{**kind.fit_defaults, **asked}),
        )
    if model is not None:
        raise ValueError("give --model or --recipe, not both")
    if recipe not in RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; --recipe must be one of {', '.join(RECIPES)}")
    return adjusted(RECIPES[recipe](), pairs, asked)


def adjusted(recipe: Recipe, pairs: Iterable[str], asked: dict[str, Any]) -> Recipe:
    """A recipe with what is given besides, which goes before it."""
    kind, config, how = recipe
    return Recipe(kind, replace(config, **settings_of(kind.Config, pairs)), replace(how, **asked))


def kind_of(name: str) -> type[Model]:
    """The model of a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; --model must be one of {', '.join(MODELS)}")
    return MODELS[name]
