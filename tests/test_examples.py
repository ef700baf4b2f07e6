"""The examples run, on small sizes."""

import importlib.util
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def module(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_quickstart(tmp_path, capsys):
    report = module("quickstart").quickstart(tmp_path, users=200, epochs=1)
    assert "Generated" in report.read_text()
    assert "dau.relative_error" in capsys.readouterr().out
