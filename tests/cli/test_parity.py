"""Whatever the command line can do, Python can: each option has a parameter or a field there."""

import inspect
from dataclasses import fields, is_dataclass
from importlib import import_module

import pytest

from habitus.cli import COMMANDS

CONSOLE = "what the console shows, or where a command finds and puts its files"
FIT = {
    name: f"habitus.FitConfig#{name}"
    for name in (
        "epochs", "batch", "optimiser", "learning_rate", "schedule", "seed", "held_out",
        "precision", "accelerator", "devices", "chunk",
    )
}  # fmt: skip
COLUMNS = {
    "column": "habitus.read_series#columns",
    "scale": "habitus.read_series#scale",
    "time": "habitus.read_series#time",
    "series_id": "habitus.read_series#series_id",
}
GENERATE = "habitus.synthesis.GenerateConfig"
OPEN = "habitus.EventLog.open"
PROFILE = "habitus.ProfileConfig"
CALENDAR = "habitus.profiles.calendar.Calendar"
EXPLAIN = "habitus.explain"
TRAVERSE = "habitus.traverse"
SCORE = "habitus.score"
LOGS = "habitus.synthesis.generate_log_to"
TIME_PICTURES = "habitus.papers.time_pictures.LabSettings"
TDLGM = "habitus.papers.tdlgm.LabSettings"
SWEEP = "habitus.sweep"
WAYS = {
    "simulate": {
        "out_": "habitus.simulate.write_log#path",
        **{
            name: f"habitus.simulate.write_log#{name}"
            for name in ("users", "days", "seed", "start", "channels")
        },
        "overwrite": "habitus.simulate.write_log#overwrite",
    },
    "profile": {
        "log": f"{OPEN}#source", "user": f"{OPEN}#user", "time": f"{OPEN}#time",
        "out_": "habitus.profiles.build.profile_to#path", "channel": f"{OPEN}#channel",
        "attribute": f"{OPEN}#attributes", "timezone": f"{OPEN}#timezone",
        "offset": f"{OPEN}#offset", "filter": f"{OPEN}#filter", "memory": f"{OPEN}#memory_limit",
        "start": f"{PROFILE}#start", "end": f"{PROFILE}#end", "days": f"{PROFILE}#days",
        "window_every": f"{PROFILE}#every", "align": f"{PROFILE}#align",
        "slot": f"{PROFILE}#slot_minutes", "channels": f"{PROFILE}#channels",
        "min_events": f"{PROFILE}#min_events", "min_days": f"{PROFILE}#min_days",
        "min_users": f"{PROFILE}#min_users",
        "strict": f"{PROFILE}#strict", "holidays": f"{CALENDAR}#holidays",
        "unobserved": f"{CALENDAR}#unobserved",
        "overwrite": "habitus.profiles.build.profile_to#overwrite",
    },
    "split": {
        "profiles": "habitus.Profiles.split#self",
        "test": "habitus.Profiles.split#test",
        "seed": "habitus.Profiles.split#seed", "out_": CONSOLE,
        "overwrite": "habitus.profiles.save#overwrite",
    },
    "fit": {
        "profiles": "habitus.fit#data", "out_": "habitus.fit#out",
        "model": "habitus.fit#kind", "recipe": "habitus.recipes.RECIPES",
        "set_": "habitus.fit#config", "resume": "habitus.fit#resume",
        "train_share": "habitus.Series.split#share", **FIT, **COLUMNS,
        "overwrite": "habitus.fit#overwrite",
    },
    "generate": {
        "run": "habitus.generate#run", "out_": "habitus.synthesis.generate_to#path",
        "cohorts": "habitus.synthesis.latents.cohorts.mix#weights",
        "cohorts_from": "habitus.synthesis.load_cohorts#path",
        "like": "habitus.synthesis.latents.cohorts.around#profiles",
        "as_": LOGS, "format": f"{LOGS}#kind",
        "series": "habitus.generate#series", "steps": "habitus.generate#steps",
        **{
            name: f"{GENERATE}#{name}"
            for name in ("users", "seed", "prior", "threshold", "inactive", "start", "shard",
                         "where", "days", "holidays")
        },
        "overwrite": "habitus.synthesis.generate_to#overwrite",
    },
    "complete": {
        "run": "habitus.complete#run", "profiles": "habitus.complete#data",
        "out_": "habitus.synthesis.complete_to#path",
        "mask": "habitus.synthesis.CompleteConfig#mask",
        "missing": "habitus.synthesis.complete_to#missing",
        "samples": "habitus.synthesis.CompleteConfig#samples",
        "seed": "habitus.synthesis.CompleteConfig#seed",
        "threshold": "habitus.synthesis.CompleteConfig#threshold",
        "noise": "habitus.CleanConfig#noise",
        "noise_share": "habitus.Noise#share",
        "overwrite": "habitus.synthesis.complete_to#overwrite",
    },
    "forecast": {
        "run": "habitus.forecast#run", "profiles": "habitus.forecast#data",
        "out_": "habitus.synthesis.forecast_to#path", "days": "habitus.forecast#days",
        "samples": "habitus.forecast#samples", "seed": "habitus.forecast#seed",
        "steps": "habitus.forecast#steps",
        "after": "habitus.synthesis.rolling_rows#after",
        "every": "habitus.synthesis.rolling_rows#every",
        "overwrite": "habitus.synthesis.forecast_to#overwrite",
    },
    "evaluate": {
        "generated": "habitus.evaluate#generated",
        "against": "habitus.evaluate#reference",
        "train": "habitus.evaluate#train", "seed": "habitus.evaluate#seed",
        "json": "habitus.Evaluation.to_json", "html": "habitus.write_report#path",
        "run": "habitus.write_report#history",
        "region": "habitus.evaluation.evaluate_completion.evaluate_completion#region",
        "most": "habitus.evaluation.evaluate_completion.evaluate_completion#most",
        "noisy": "habitus.evaluation.evaluate_series.evaluate_cleaned#noisy",
        "train_share": "habitus.Series.split#share",
        "buckets": "habitus.evaluation.evaluate_series.evaluate_generated#buckets",
        "steps": "habitus.evaluation.evaluate_series.evaluate_generated#steps",
        "two_sample": "habitus.evaluation.two_sample.two_sample",
        "privacy": "habitus.evaluation.privacy.privacy",
        "references": "habitus.synthesis.membership.membership_likelihoods#references", **COLUMNS,
        "overwrite": "habitus.write_report#overwrite",
    },
    "sweep": {
        "profiles": f"{SWEEP}#train", "out_": f"{SWEEP}#out", "against": f"{SWEEP}#against",
        "grid": "habitus.sweeps.grid_of", "search": "habitus.sweeps.Search",
        "trials": "habitus.sweeps.Search#trials", "yes": CONSOLE, "users": f"{SWEEP}#users",
        "metric": f"{SWEEP}#metric", "storage": f"{SWEEP}#storage", "name": f"{SWEEP}#name",
        "model": f"{SWEEP}#kind", "recipe": "habitus.recipes.SWEEPS", "set_": f"{SWEEP}#config",
        **FIT,
    },
    "traverse": {
        "run": f"{TRAVERSE}#run", "out_": CONSOLE, "dims": f"{TRAVERSE}#dims",
        "points": f"{TRAVERSE}#points", "order": f"{TRAVERSE}#order", "prior": f"{TRAVERSE}#prior",
        "seed": f"{TRAVERSE}#seed",
        "channel": "habitus.report.figures.traversal_grid#pictures",
        "overwrite": "habitus.report.png.save_png#overwrite",
    },
    "explain": {
        "run": f"{EXPLAIN}#run", "profiles": f"{EXPLAIN}#profiles", "walks": f"{EXPLAIN}#walks",
        "prior": f"{EXPLAIN}#prior", "seed": f"{EXPLAIN}#seed",
        "json": "habitus.synthesis.latents.explanation.Explanation.to_json",
        "html": "habitus.report.explained.write_explanation#path",
        "factors": "habitus.evaluation.latents.factors_from_columns#columns",
        "user": "habitus.profiles.factors.factors_file#key",
        "hours": "habitus.evaluation.latents.factors_from_columns#periods",
        "overwrite": "habitus.report.explained.write_explanation#overwrite",
    },
    "cluster": {
        "run": "habitus.cluster#run",
        "profiles": "habitus.cluster#profiles",
        "k": "habitus.cluster#k",
        "seed": "habitus.cluster#seed",
        "out_": "habitus.synthesis.latents.cohorts.write_cohorts#folder",
        "overwrite": "habitus.synthesis.latents.cohorts.store.save_cohorts#overwrite",
    },
    "score": {
        "run": f"{SCORE}#run", "profiles": f"{SCORE}#profiles", "against": f"{SCORE}#against",
        "samples": f"{SCORE}#samples", "seed": f"{SCORE}#seed",
        "out_": "habitus.synthesis.scoring.write_scores#path", "top": CONSOLE,
        "overwrite": "habitus.synthesis.scoring.write_scores#overwrite",
    },
    "describe": {"profiles": "habitus.describe#source", "json_": CONSOLE},
    "models": {"name": "habitus.models.MODELS", "json_": CONSOLE},
    "reproduce": {
        "paper": "habitus.papers.PAPERS", "rest": CONSOLE, "data": CONSOLE, "out_": CONSOLE,
        "table": "habitus.papers.item.chosen", "figure": "habitus.papers.item.chosen",
        "all_": "habitus.papers.item.chosen", "list_": "habitus.papers.item.Paper.entries",
        "publishable_": "habitus.papers.item.publishable",
        "seeds": f"{TDLGM}#seeds", "column": f"{TDLGM}#column", "scale": f"{TDLGM}#scale",
        "epochs": f"{TIME_PICTURES}#epochs", "seed": f"{TIME_PICTURES}#seed",
        "profiles": f"{TIME_PICTURES}#profiles", "prior": f"{TIME_PICTURES}#prior",
        "betas": f"{TIME_PICTURES}#betas",
        "channel": "habitus.papers.time_pictures.lab.Lab#channel",
    },
    "export": {
        "profiles": "habitus.profiles.logs.to_events#profiles", "out_": CONSOLE,
        "seed": "habitus.profiles.logs.to_events#seed",
        "format": "habitus.events.writing.write_log#kind",
        "start": "habitus.profiles.windows.moved#start",
        "shard": "habitus.profiles.logs.event_tables#pieces",
        "overwrite": "habitus.events.writing.write_log#overwrite",
    },
}  # fmt: skip


def found(path: str):
    """Object at a dotted path."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise AssertionError(path)


@pytest.mark.parametrize("name", COMMANDS)
def test_python_has_a_way_for_each_option(name):
    declared = getattr(import_module(f"habitus.cli.{name}"), name).registered_commands[0].callback
    assert WAYS[name].keys() == inspect.signature(declared).parameters.keys()
    missing = []
    for option, way in WAYS[name].items():
        path, _, parameter = way.partition("#")
        if way is CONSOLE:
            continue
        value = found(path)
        taken = (
            {field.name for field in fields(value)}
            if is_dataclass(value)
            else {*inspect.signature(value).parameters}
            if parameter
            else {""}
        )
        if parameter and parameter not in taken:
            missing.append(f"{option}: {way}; there are {', '.join(sorted(taken))}")
    assert missing == []
