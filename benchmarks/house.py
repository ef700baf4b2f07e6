"""How the code reads, before and after: sizes, crumbs, docstrings, vocabulary, import exceptions.

Everything is counted from the syntax trees of ``src`` at two commits by the same functions, so the
two columns differ by the code alone. ``--start`` times the starts instead: each ``--help``, and
``import habitus``, as a process of its own, several times.

Usage: python benchmarks/house.py [--before 25c7a5a] [--after COMMIT] [--list NAME] [--start] [--quick]
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
import time
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ARCHITECTURE = "tests/test_architecture.py"
BEFORE = "25c7a5a"
SHORT = 4  # a private function with fewer lines than this is outweighed by its name and docstring
FEW_WORDS = 3
OPENINGS = ("Of", "What", "Whether", "How", "Who", "Which")
WORDS = re.compile(
    r"\b(whence|nobody|whoever|rivals?|tell(?:s|ing)? apart|judge[sd]?|judging|crumbs?)\b", re.I
)
TOLD = re.compile(r"\btold\b", re.I)
QUOTED = re.compile(r"[\"“][^\"“”\n]*\btold\b[^\"“”\n]*[\"”]", re.I)  # a paper's own words
OPTIONAL = {"pandas", "optuna", "sqlalchemy", "statsmodels", "alembic"}
STARTS = 7
STARTS_QUICK = 1

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


class Row(NamedTuple):
    """A line of the table: its name, its figure, and the places that it counts, if it counts places."""

    name: str
    figure: str
    places: list[str] = []  # noqa: RUF012


def sources(commit: str | None) -> dict[str, str]:
    """Text of each Python file of ``src`` and of the import test, at a commit or as it lies here."""
    if commit is None:
        paths = [*(ROOT / "src").rglob("*.py"), ROOT / ARCHITECTURE]
        return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(paths)}
    command = ["git", "-C", str(ROOT), "archive", commit, "src", ARCHITECTURE]
    archive = subprocess.run(command, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        opened = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {n: f.read().decode() for n, f in sorted(opened.items()) if f and n.endswith(".py")}


def docstring_of(node: Documented) -> ast.Constant | None:
    """The constant that is a node's docstring, if it has one."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value if isinstance(first.value.value, str) else None
    return None


def body_lines(function: Function) -> int:
    """Lines of a function's body, its docstring not counted."""
    body = function.body[1:] if docstring_of(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def is_parallel(node: ast.AST) -> bool:
    """Recognise an assignment of several values to several names that is no swap."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    targets = node.targets[0]
    if not isinstance(targets, ast.Tuple) or len(targets.elts) != len(node.value.elts):
        return False
    names = {ast.unparse(each) for each in targets.elts}
    read = {ast.unparse(each) for each in ast.walk(node.value) if isinstance(each, ast.expr)}
    return not names & read


def functions(tree: ast.AST) -> Iterator[Function]:
    """Functions and methods at any depth."""
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def measure(files: dict[str, str]) -> list[Row]:
    """Rows of the table for the files of one commit."""
    code = {path: text for path, text in files.items() if path.startswith("src/")}
    trees = {path: ast.parse(text) for path, text in code.items()}
    lines = [(path, n, x) for path, text in code.items() for n, x in enumerate(text.split("\n"), 1)]
    documented = [
        (path, node, doc)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, Documented) and (doc := docstring_of(node))
    ]
    texts = [(f"{path}:{doc.lineno}", str(doc.value).split()) for path, _, doc in documented]
    docstring_lines = sum((doc.end_lineno or 0) - doc.lineno + 1 for *_, doc in documented)
    bare = sum(not x.strip() or x.lstrip().startswith("#") for *_, x in lines)
    total = sum(text.count("\n") for text in code.values())
    statements = sum(isinstance(n, ast.stmt) for tree in trees.values() for n in ast.walk(tree))
    kinds = {tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING}
    tokens = sum(
        each.type in kinds
        for text in code.values()
        for each in tokenize.generate_tokens(io.StringIO(text).readline)
    )
    comments = [x for *_, x in lines if re.search(r"(^|\s)# (?!fmt|noqa|pyright|type:)", x)]

    every = [(path, function) for path, tree in trees.items() for function in functions(tree)]
    bodies = sorted(body_lines(function) for _, function in every)
    private = [(p, f) for p, f in every if f.name.startswith("_") and not f.name.startswith("__")]
    small = [
        f"{path}:{function.lineno} {function.name}"
        for path, function in private
        if body_lines(function) < SHORT
        and len(re.findall(rf"\b{function.name}\b", code[path])) == 2  # its definition and one use
    ]
    parallel = [
        f"{p}:{n.lineno}" for p, tree in trees.items() for n in ast.walk(tree) if is_parallel(n)
    ]  # pyright: ignore

    homes: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].add(path)
    several = [
        f"{name}: {', '.join(sorted(at))}" for name, at in sorted(homes.items()) if len(at) > 1
    ]

    few = [f"{at} {' '.join(words)}" for at, words in texts if len(words) <= FEW_WORDS]
    openings = [f"{at} {' '.join(w[:8])}" for at, w in texts if w and w[0].strip(",;:") in OPENINGS]
    told = [f"{path}:{n} {x.strip()}" for path, n, x in lines if TOLD.search(QUOTED.sub("", x))]
    words = [f"{path}:{n} {x.strip()}" for path, n, x in lines if WORDS.search(x)]
    late = [
        f"{path}:{at}"
        for path, tree in trees.items()
        if not path.startswith("src/habitus/cli/")  # commands import in their bodies
        for at in late_imports(tree)
    ]
    named = named_modules(files.get(ARCHITECTURE, ""))
    return [
        Row("lines of src", f"{total:,}"),
        Row("of them code", f"{total - bare - docstring_lines:,}"),
        Row("of them docstrings", f"{docstring_lines:,}"),
        Row("statements", f"{statements:,}"),
        Row("tokens, however laid out", f"{tokens:,}"),
        Row("comments per 1,000 lines", f"{1000 * len(comments) / total:.1f}"),
        Row("files", f"{len(code):,}"),
        Row("functions", f"{len(every):,}"),
        Row("lines of a body, median", f"{median(bodies):.0f}"),
        Row("lines of a body, 90th percentile", f"{bodies[int(0.9 * len(bodies))]}"),
        Row("private functions", f"{len(private):,}"),
        Row(f"used once and shorter than {SHORT} lines", f"{len(small):,}", small),
        Row("parallel assignments", f"{len(parallel):,}", parallel),
        Row("parallel assignments per 1,000 lines", f"{1000 * len(parallel) / total:.1f}"),
        Row("public names in more than one file", f"{len(several):,}", several),
        Row("docstrings", f"{len(texts):,}"),
        Row(f"docstrings of {FEW_WORDS} words or fewer", f"{len(few):,}", few),
        Row(f"docstrings that begin with {'/'.join(OPENINGS)}", f"{len(openings):,}", openings),
        Row('"told" outside quotations', f"{len(told):,}", told),
        Row("other words of the private language", f"{len(words):,}", words),
        Row("imports inside functions, extras and commands aside", f"{len(late):,}", late),
        Row("single modules excepted in the import test", f"{len(named):,}", named),
    ]


def late_imports(tree: ast.Module) -> list[int]:
    """Lines of imports inside functions of what is no optional extra."""
    found = []
    for function in functions(tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import):
                modules = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules = {(node.module or "").partition(".")[0]}
            else:
                continue
            if not modules <= OPTIONAL:
                found.append(node.lineno)
    return found


def named_modules(text: str) -> list[str]:
    """Modules below the packages that the import test names one by one, outside its table of layers."""
    strings = {n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)}
    return sorted(
        s for s in strings if isinstance(s, str) and re.fullmatch(r"habitus(\.\w+){2,}", s)
    )


ONE_OPTION = """
import typer

app = typer.Typer()


@app.command()
def hello(users: int = 3) -> None:
    pass


app()
"""


def start_times(repeats: int) -> list[Row]:
    """Median and slowest seconds of ``import habitus`` and of every ``--help``; torch is named where it loads.

    A command of Typer with one option, whose help habitus's are written with, shows what the machine takes.
    """
    listed = "from habitus.cli import COMMANDS; print(*COMMANDS)"
    run = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    commands = {
        "python": ["-c", "pass"],
        "one option of Typer --help": ["-c", ONE_OPTION, "--help"],
        "import habitus": ["-c", "import habitus"],
        "habitus --help": ["-m", "habitus", "--help"],
    }
    for name in run.stdout.split():
        commands[f"habitus {name} --help"] = ["-m", "habitus", name, "--help"]
    rows = []
    for name, arguments in commands.items():
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            seconds.append(time.perf_counter() - began)
        traced = [sys.executable, "-X", "importtime", *arguments]
        loaded = subprocess.run(traced, capture_output=True, text=True, check=True).stderr
        torch = ", loads torch" if re.search(r"\| +torch$", loaded, re.M) else ""
        rows.append(Row(name, f"{median(seconds):.2f} s (slowest {max(seconds):.2f} s){torch}"))
    return rows


def main() -> None:
    """Print the table, the places that one of its rows counts, or the times of the starts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--before", default=BEFORE)
    parser.add_argument("--after", help="a commit; without it the working tree")
    parser.add_argument(
        "--list", metavar="NAME", help="print what a row counts, in the working tree"
    )
    parser.add_argument("--start", action="store_true", help="time the starts instead")
    parser.add_argument(
        "--quick", action="store_true", help="the working tree alone, each start once"
    )
    given = parser.parse_args()
    if given.start:
        for row in start_times(STARTS_QUICK if given.quick else STARTS):
            print(f"| {row.name} | {row.figure} |")
        return
    after = measure(sources(given.after))
    if given.list:
        print("\n".join(place for row in after if given.list in row.name for place in row.places))
        return
    before = after if given.quick else measure(sources(given.before))
    print(f"| | {given.before} | {given.after or 'working tree'} |\n|---|---|---|")
    for old, new in zip(before, after, strict=True):
        print(f"| {new.name} | {old.figure} | {new.figure} |")


if __name__ == "__main__":
    main()
