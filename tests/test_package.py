"""The package as a whole: what it exports, what imports what, and that the stub says the truth."""

import ast
import subprocess
import sys
from pathlib import Path

import beurs
from beurs import engine, errors, values
from beurs.errors import BeursError

ROOT = Path(__file__).parents[1]
PACKAGE = Path(beurs.__file__).parent


def test_all_is_sorted_and_there():
    assert beurs.__all__ == sorted(beurs.__all__, key=lambda name: (name.startswith("_"), name))
    for name in beurs.__all__:
        assert getattr(beurs, name) is not None


def test_every_module_all_is_there():
    for module in (engine, errors, values):
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"


def test_every_error_is_in_the_tree_and_in_the_drawing():
    drawn = errors.__doc__ or ""
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), BeursError)
        assert f" {name}" in drawn, name


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()


def test_only_the_engine_module_imports_the_compiled_one():
    importers = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            if any(name == "beurs._core" or name.startswith("beurs._core.") for name in names):
                importers.add(path.relative_to(PACKAGE).as_posix())
    assert importers == {"engine.py"}


def test_the_stub_is_that_of_the_compiled_module(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "beurs._core"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "MYPYPATH": str(ROOT / "python"), "MYPY_CACHE_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_enums_are_those_of_the_engine():
    for name, members in engine.enums().items():
        ours = getattr(values, name)
        assert [(member.number, member.value) for member in ours] == members, name


def test_reject_reasons_are_in_precedence():
    numbers = [number for number, _, _ in engine.reject_reasons()]
    assert numbers == sorted(numbers)
    assert (403, "insufficient_funds") in {(number, code) for number, code, _ in engine.reject_reasons()}
