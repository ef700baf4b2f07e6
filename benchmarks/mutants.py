"""Every small change of a file of Rhythm's compiled loops, and those that no test notices.

    python benchmarks/mutants.py slots.py counts.py

Operators, operands, constants, bounds and statements are changed one at a time. Some changes mean
the same: a bound beyond which nothing is read, a number that is overwritten, a branch that differs
in speed alone, a comparison of numbers that are never equal. See ``mutations.py`` for mistakes
chosen by hand.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from mutations import AFTER, DAYS, HISTORY, NEGATIVE_BINOMIAL, POISSON, ROOT, SAMPLING, TESTS, USERS

KERNELS = SAMPLING / "kernels"
QUICK_FIRST = (
    "test_compiled.py",
    HISTORY,
    DAYS,
    "test_amounts.py::test_draws_invert_the_distribution_function_of_bins",
    "test_amounts.py::test_rates_and_sizes_are_those_of_the_loss",
    "test_day.py::test_scores_are_the_gradients_of_the_log_probability",
    POISSON,
    NEGATIVE_BINOMIAL,
    AFTER,
    USERS,
    "test_log_probs.py::test_reporting_log_probabilities_changes_no_draw",
)
COMPILED = {"compiled", "allocating"}  # decorators of the functions that are changed
LONGEST = 120  # seconds for the tests of a change, which may make a loop endless
MIRRORED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
            ast.NotEq: ast.Eq}  # fmt: skip
REVERSED = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt}
SWAPPED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
NUMBERS = {"ZERO": "ONE", "ONE": "ZERO", "HALF": "ONE"}


class Mutant(NamedTuple):
    """A change of one expression or statement.

    Attributes:
        function: Name of the function.
        line: Line in the file.
        right: The expression.
        wrong: What takes its place.
        source: The function with the change.
    """

    function: str
    line: int
    right: str
    wrong: str
    source: str


def changes(node: ast.AST) -> Iterator[str]:  # noqa: C901
    """Write what may take the place of a node: another operator, one operand, nothing."""
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            for table in (MIRRORED, REVERSED):
                if type(op) in table:
                    yield ast.unparse(ast.Compare(left, [table[type(op)]()], [right]))
        case ast.BinOp(left=left, op=op, right=right):
            if type(op) in SWAPPED:
                yield ast.unparse(ast.BinOp(left, SWAPPED[type(op)](), right))
            yield from (ast.unparse(left), ast.unparse(right))
        case ast.BoolOp(op=op, values=values):
            yield ast.unparse(ast.BoolOp(ast.And() if isinstance(op, ast.Or) else ast.Or(), values))
            yield from map(ast.unparse, values)
        case ast.UnaryOp(operand=operand):
            yield ast.unparse(operand)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (ast.unparse(body), ast.unparse(orelse))
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            yield from (repr(value + 1), repr(value - 1))
        case ast.Name(id=name, ctx=ast.Load()) if name in NUMBERS:
            yield NUMBERS[name]
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=arguments):
            other = ast.Name("max" if name == "min" else "min")
            yield ast.unparse(ast.Call(other, arguments, []))
            yield from map(ast.unparse, arguments)
        case ast.Call(func=ast.Name(id="range") as name, args=[*_, last] as arguments):
            if len(arguments) < 3:
                shorter = ast.BinOp(last, ast.Sub(), ast.Constant(1))
                yield ast.unparse(ast.Call(name, [*arguments[:-1], shorter], []))
        case ast.AugAssign(target=target, op=op, value=value):
            yield "pass"
            yield f"{ast.unparse(target)} = {ast.unparse(value)}"
            if type(op) in SWAPPED:
                yield ast.unparse(ast.AugAssign(target, SWAPPED[type(op)](), value))
        case ast.Expr(value=ast.Call()) | ast.Assign(targets=[ast.Subscript()]) | ast.Break():
            yield "pass"


def mutants(path: Path) -> Iterator[Mutant]:
    """Make every change of the compiled functions of a file."""
    source = path.read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    for function in ast.parse(source).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        if not COMPILED & {
            each.id for each in function.decorator_list if isinstance(each, ast.Name)
        }:
            continue
        first = starts[function.lineno - 1]
        last = starts[function.end_lineno - 1] + function.end_col_offset
        for node in (each for statement in function.body[1:] for each in ast.walk(statement)):
            for wrong in changes(node):
                begin = starts[node.lineno - 1] + node.col_offset
                end = starts[node.end_lineno - 1] + node.end_col_offset
                text = f"({wrong})" if isinstance(node, ast.expr) else wrong
                changed = source[first:begin] + text.encode() + source[end:last]
                right = source[begin:end].decode()
                yield Mutant(function.name, node.lineno, right, wrong, changed.decode())


@contextmanager
def made(module: ModuleType, mutant: Mutant) -> Iterator[None]:
    """Put a changed function in the place of the right one, wherever it was imported."""
    right = getattr(module, mutant.function)
    exec(mutant.source, vars(module))
    wrong = getattr(module, mutant.function)
    places = [
        (other, name)
        for other in list(sys.modules.values())
        for name, value in list(getattr(other, "__dict__", {}).items())
        if value is right
    ]
    for other, name in places:
        setattr(other, name, wrong)
    try:
        yield
    finally:
        setattr(module, mutant.function, right)
        for other, name in places:
            setattr(other, name, right)


class FirstFailure:
    """Plugin of pytest that remembers the first test to fail."""

    name: str | None = None

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Remember a failure."""
        if report.failed and self.name is None:
            self.name = report.nodeid


def first_failure(tests: list[str]) -> str | None:
    """Run tests up to the first that fails, in this process; return its name."""
    failure = FirstFailure()
    signal.alarm(LONGEST)
    try:
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests], [failure])
    except TimeoutError:
        return "takes too long"
    finally:
        signal.alarm(0)
    return failure.name or (None if code == 0 else f"pytest ends with {code}")


def unnoticed(file: str) -> Iterator[Mutant]:
    """Run the tests on every change of a file; yield the changes that no test notices.

    Raises:
        SystemExit: if a test fails without a change.
    """
    tests = [str(ROOT / TESTS / each) for each in QUICK_FIRST]
    path = KERNELS / file
    module = importlib.import_module(".".join(path.relative_to("src").with_suffix("").parts))
    if failed := first_failure(tests):
        raise SystemExit(f"{failed} fails without a change")
    for mutant in mutants(ROOT / path):
        with made(module, mutant):
            if first_failure(tests) is None:
                yield mutant


def main() -> None:
    """Print the changes that no test notices."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="files in sampling/kernels/")
    # numba reads the environment once, when the sampler is imported
    os.environ |= {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1"}
    signal.signal(signal.SIGALRM, _too_long)
    print("| file | function, line | source | change |\n|---|---|---|---|")
    for file in parser.parse_args().files:
        for each in unnoticed(file):
            print(
                f"| {file} | {each.function}, {each.line} | `{each.right}` | `{each.wrong}` |",
                flush=True,
            )


def _too_long(*_: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
