"""The import rule of the design, and the rules of style that a linter does not know, read from the syntax tree."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from itertools import chain
from operator import attrgetter
from pathlib import Path

import pytest

import habitus

SOURCE = Path(habitus.__file__).parent
OPTIONAL = {"pandas", "statsmodels"}
FRONT = ("cli", "explorer", "papers")

FILES = {
    ".".join(("habitus", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(SOURCE.rglob("*.py"))
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache  # so that processes that only collect the tests parse nothing
def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module, by its name."""
    return {name: ast.parse(path.read_text()) for name, path in FILES.items()}


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below but those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.If)
            and isinstance(child.test, ast.Name)
            and child.test.id == "TYPE_CHECKING"
        ):
            continue
        yield child
        yield from at_run_time(child)


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """The modules that import statements name; ``from package import module`` names the module."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & FILES.keys()
            found |= inner
            if len(inner) < len(node.names):
                found.add(node.module)
    return found


@cache
def imports() -> dict[str, set[str]]:
    """The modules of habitus that each module imports when it runs."""
    return {
        name: imported(at_run_time(tree)) & FILES.keys() - {name} for name, tree in trees().items()
    }


def within(module: str, *packages: str) -> bool:
    return any(
        module == f"habitus.{package}" or module.startswith(f"habitus.{package}.")
        for package in packages
    )


def those(*packages: str) -> list[str]:
    found = [name for name in FILES if within(name, *packages)]
    assert found
    return found


def functions(tree: ast.AST) -> Iterator[Function]:
    return (
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_no_cycles():
    list(TopologicalSorter(imports()).static_order())


def test_imports_inside_functions_are_of_optional_dependencies():
    """But commands import what takes long in their bodies, so that help is quick."""
    for name, tree in trees().items():
        if within(name, "cli"):
            continue
        inside = chain.from_iterable(imported(ast.walk(function)) for function in functions(tree))
        assert {module.partition(".")[0] for module in inside} <= OPTIONAL, name


MAY_SEE = {
    "schema": ("settings",),
    "databases": (),
    "memory": (),
    "files": (),
    "records": ("files",),
    "tables": ("files", "records"),
    "history": ("records",),
    "interrupts": (),
    "parallel": ("interrupts",),
    "settings": (),
    "events": ("databases", "schema", "files", "records", "tables"),
    "profiles": ("events", "settings", "schema", "files", "records", "tables"),
    "series": ("profiles", "schema", "files", "records", "tables"),
    "simulate": ("schema", "files", "records", "tables"),
    "evaluation": ("schema",),
    "report": ("evaluation", "schema", "files"),
    "models": ("settings", "schema", "memory"),
    "training": (
        "history", "memory", "settings", "evaluation", "models.base", "models.parts", "profiles", "series", "run", "schema", "files", "records", "interrupts",
        "tables", "parallel",
    ),
    "synthesis": (
        "history", "memory", "settings", "models.base", "models.parts", "evaluation", "events", "profiles", "series", "simulate", "training", "run",
        "schema", "files", "records", "tables", "parallel",
    ),
    "sweeps": (
        "memory", "training", "synthesis", "run", "models", "profiles", "settings", "evaluation", "report", "files",
        "records", "tables", "schema", "databases",
    ),
}  # fmt: skip


@pytest.mark.parametrize("package", MAY_SEE)
def test_a_package_sees_only_what_comes_before_it(package):
    for name in those(package):
        unexpected = {
            module for module in imports()[name] if not within(module, package, *MAY_SEE[package])
        }
        assert unexpected == set(), name


REGISTRY = ("habitus", "habitus.models")
FAMILIES = sorted(
    path.name
    for path in (SOURCE / "models").iterdir()
    if path.is_dir() and path.name not in ("parts", "__pycache__")
)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_of_models_is_imported_by_the_registry_alone(family):
    own = f"models.{family}"
    for name, modules in imports().items():
        if not within(name, own) and not within(name, *FRONT) and name not in REGISTRY:
            assert {module for module in modules if within(module, own)} == set(), name


def test_parts_are_shared_and_know_no_model():
    """A part is imported by at least two families, or by what comes after the models."""
    for name in those("models.parts"):
        importers = {other for other, modules in imports().items() if name in modules}
        families = {
            family for family in FAMILIES if any(within(m, f"models.{family}") for m in importers)
        }
        after = {m for m in importers if not within(m, "models") or m == "habitus.models.base"}
        by_parts = {m for m in importers if within(m, "models.parts")}
        assert name == "habitus.models.parts" or len(families) > 1 or after or by_parts, name
        assert {
            m
            for m in imports()[name]
            if within(m, "models") and not within(m, "models.parts", "models.base")
        } == set(), name


def test_nobody_imports_the_front():
    for name, modules in imports().items():
        if not within(name, *FRONT) and name != "habitus.__main__":
            assert {module for module in modules if within(module, *FRONT)} == set(), name


def test_only_the_front_imports_sweeps():
    """Optuna takes half a second to load."""
    for name, modules in imports().items():
        if not within(name, "sweeps", *FRONT):
            assert {module for module in modules if within(module, "sweeps")} == set(), name


def test_what_is_public_has_a_docstring():
    """Modules, public functions, public classes and their public methods."""
    for name, tree in trees().items():
        assert ast.get_docstring(tree), name
        bare = [path for path, node in public(tree.body) if not ast.get_docstring(node)]
        assert [path for path in bare if not inherits_docstring(name, path)] == [], name


def test_docstrings_hold_no_quotes_of_pieces_that_were_joined():
    """A string that a tool wrapped in pieces leaves a quote, a line break and a quote in the text."""
    for name, tree in trees().items():
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
        texts = [each.value for each in texts if isinstance(each, ast.Constant)]
        assert [text for text in texts if re.search(r'"\n\s*"', str(text))] == [], name


def inherits_docstring(module: str, path: str) -> bool:
    """Whether a method overrides one of a class of habitus that has a docstring."""
    owner, _, method = path.rpartition(".")
    if not owner:
        return False
    kind = attrgetter(owner)(importlib.import_module(module))
    bases = [base for base in kind.__mro__[1:] if base.__module__.startswith("habitus.")]
    return any(inspect.getdoc(vars(base)[method]) for base in bases if method in vars(base))


def public(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Public functions and classes, and the public methods of these, by path; no protocol members."""
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(each) for each in node.decorator_list}
        if decorators & {"override", "overload"} or any(
            each.endswith(".setter") for each in decorators
        ):
            continue
        yield owner + node.name, node
        if isinstance(node, ast.ClassDef) and "Protocol" not in {
            ast.unparse(base) for base in node.bases
        }:
            yield from public(node.body, f"{owner}{node.name}.")


def test_every_argument_and_result_is_annotated():
    bare = []
    for name, tree in trees().items():
        for function in functions(tree):
            arguments = function.args
            every = [
                *arguments.posonlyargs,
                *arguments.args,
                *arguments.kwonlyargs,
                arguments.vararg,
                arguments.kwarg,
            ]
            bare += [
                f"{name}.{function.name}({argument.arg})"
                for argument in every
                if argument and argument.annotation is None and argument.arg not in ("self", "cls")
            ]
            bare += [f"{name}.{function.name}"] if function.returns is None else []
    assert bare == []


def test_nothing_on_disk_is_ever_executed():
    for name, tree in trees().items():
        modules = imported(ast.walk(tree))
        assert (
            modules & {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"} == set()
        ), name
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert calls & {"torch.load", "torch.save", "eval", "exec"} == set(), name
        assert "allow_pickle=True" not in ast.unparse(tree), name


def test_every_public_name_is_there():
    assert len(set(habitus.__all__)) == len(habitus.__all__)
    for name in habitus.__all__:
        assert getattr(habitus, name) is not None
    assert importlib.util.find_spec("habitus.cli")
    with pytest.raises(AttributeError):
        habitus.no_such_name  # noqa: B018


def test_what_a_command_does_not_use_is_not_imported():
    """What fits, clusters and draws figures takes longer to import than all else together."""
    commands = ("complete", "describe", "export", "forecast", "generate", "profile", "score")
    modules = {module for name in commands for module in imports()[f"habitus.cli.{name}"]}
    assert "habitus.synthesis" in modules, "what bodies import counts"
    statements = "; ".join(f"import {module}" for module in sorted(modules))
    heavy = "{'lightning_fabric', 'sklearn', 'matplotlib', 'torch._dynamo'}"
    script = f"import sys; {statements}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
