"""The import rule of the design, and the rules of style that a linter does not know, read from the syntax tree."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import pytest

import habitus

SOURCE = Path(habitus.__file__).parent
OPTIONAL = {"pandas"}
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_A_FILE = 400
FRONT = ("cli", "explorer", "reproduce")

FILES = {
    ".".join(("habitus", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below but those under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
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


IMPORTS = {name: imported(at_run_time(tree)) & FILES.keys() - {name} for name, tree in TREES.items()}


def within(module: str, *packages: str) -> bool:
    return any(module == f"habitus.{package}" or module.startswith(f"habitus.{package}.") for package in packages)


def those(*packages: str) -> list[str]:
    found = [name for name in FILES if within(name, *packages)]
    assert found
    return found


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_cycles():
    list(TopologicalSorter(IMPORTS).static_order())


@pytest.mark.parametrize("name", FILES)
def test_imports_inside_functions_are_of_optional_dependencies(name):
    inside = chain.from_iterable(imported(ast.walk(function)) for function in functions(TREES[name]))
    assert {module.partition(".")[0] for module in inside} <= OPTIONAL


@pytest.mark.parametrize(
    ("packages", "may_see"),
    [
        (("parts",), ("parts",)),
        (("events",), ("events", "parts.shapes", "output")),
        (("profiles",), ("profiles", "events", "parts.shapes", "output")),
        (("series",), ("series", "profiles", "parts.shapes", "output")),
        (("evaluation",), ("evaluation", "parts.shapes")),
        (("simulate",), ("simulate", "parts.shapes", "output")),
        (("figures",), ("figures", "evaluation", "parts.shapes")),
        (("report",), ("report", "figures", "evaluation", "parts.shapes", "output")),
        (("models",), ("models", "parts")),
        (("settings",), ()),
        (
            ("sweeps",),
            (
                "sweeps", "training", "synthesis", "run", "models", "profiles", "settings", "evaluation", "figures",
                "report", "output", "parts.shapes",
            ),
        ),
    ],
)  # fmt: skip
def test_a_package_sees_only_what_comes_before_it(packages, may_see):
    for name in those(*packages):
        assert {module for module in IMPORTS[name] if not within(module, *may_see)} == set(), name


def test_parts_do_not_import_each_other():
    """A folder is one part; what tensors and their rows are is every part's."""
    for name in those("parts"):
        own = ".".join(name.split(".")[1:3])
        seen = {module for module in IMPORTS[name] if within(module, "parts") and not within(module, own)}
        assert seen <= {"habitus.parts.shapes", "habitus.parts.rows", "habitus.parts.compiled"}, name


@pytest.mark.parametrize("package", ["training", "synthesis", "run", "evaluation", "profiles", "sweeps"])
def test_who_knows_no_concrete_model(package):
    """A run and a sweep know the registry, since on disk they name their model."""
    allowed = {"habitus.models.base"} | ({"habitus.models"} if package in ("run", "sweeps") else set())
    for name in those(package):
        assert {module for module in IMPORTS[name] if within(module, "models")} <= allowed, name


def test_nobody_imports_the_front():
    for name, modules in IMPORTS.items():
        if not within(name, *FRONT) and name != "habitus.__main__":
            assert {module for module in modules if within(module, *FRONT)} == set(), name


def test_only_the_front_imports_sweeps():
    """Optuna takes half a second to load."""
    for name, modules in IMPORTS.items():
        if not within(name, "sweeps", *FRONT):
            assert {module for module in modules if within(module, "sweeps")} == set(), name


@pytest.mark.parametrize("name", FILES)
def test_files_and_functions_are_short(name):
    assert len(FILES[name].read_text().splitlines()) <= MOST_LINES_OF_A_FILE
    long = {
        function.name: lines for function in functions(TREES[name])
        if (lines := (function.end_lineno or 0) - code_begins(function) + 1) > MOST_LINES_OF_A_FUNCTION
    }  # fmt: skip
    assert long == {}


def code_begins(function: Function) -> int:
    """The line after a function's docstring and arguments."""
    first = function.body[0]
    has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return (first.end_lineno or 0) + 1 if has_text else first.lineno


@pytest.mark.parametrize("name", FILES)
def test_what_is_public_has_a_docstring(name):
    tree = TREES[name]
    assert ast.get_docstring(tree), "a module says what it is"
    assert [node.name for node in public(tree.body) if not ast.get_docstring(node)] == []


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """Public functions and classes, and the public methods of these; protocol members and overrides excepted."""
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(each) for each in node.decorator_list}
        if decorators & {"override", "overload"} or any(each.endswith(".setter") for each in decorators):
            continue
        yield node
        if isinstance(node, ast.ClassDef) and "Protocol" not in {ast.unparse(base) for base in node.bases}:
            yield from public(node.body)


@pytest.mark.parametrize("name", FILES)
def test_every_argument_and_result_is_annotated(name):
    bare = []
    for function in functions(TREES[name]):
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        bare += [
            f"{function.name}({argument.arg})"
            for argument in every
            if argument and argument.annotation is None and argument.arg not in ("self", "cls")
        ]
        bare += [function.name] if function.returns is None else []
    assert bare == []


@pytest.mark.parametrize("name", FILES)
def test_nothing_on_disk_is_ever_executed(name):
    modules = imported(ast.walk(TREES[name]))
    assert modules & {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"} == set()
    calls = {ast.unparse(node.func) for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)}
    assert calls & {"torch.load", "torch.save", "eval", "exec"} == set()
    assert "allow_pickle=True" not in ast.unparse(TREES[name])


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
    imports = "; ".join(f"import habitus.cli.{name}" for name in commands)
    heavy = "{'lightning', 'sklearn', 'matplotlib', 'torch._dynamo'}"
    script = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
