"""Laws of the benchmark's files: no circles, every public name is there, and each file opens plainly."""

from __future__ import annotations

import ast
import importlib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import restorekit.bench
from tests.imported import imports

FOLDER = Path(restorekit.bench.__file__).parent
FILES = sorted(p for p in FOLDER.glob("*.py") if p.stem != "__init__")
NEVER = ("What", "Of", "As", "Such", "So", "Likewise", "Which", "Whether", "Where", "How", "Why")


def test_no_file_needs_one_that_needs_it():
    """Imports for the type checker and inside functions count as well."""
    needs = {}
    for path in FILES:
        modules = {module for module, _ in imports(path, types=True)}
        needs[path.stem] = {m.split(".")[2] for m in modules if m.startswith("restorekit.bench.")}
    assert "scoring" in needs["run"] and "scoring" in needs["workers"]
    list(TopologicalSorter(needs).static_order())  # raises CycleError


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_file_names_what_others_may_use(path):
    module = importlib.import_module(f"restorekit.bench.{path.stem}")
    assert module.__all__ and all(hasattr(module, name) for name in module.__all__)
    taken = {pair for other in FILES if other != path for pair in imports(other, types=True)}
    used = {name for origin, name in taken if origin == module.__name__ and name}
    assert used <= set(module.__all__)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_docstring_opens_with_a_word_that_makes_a_reader_stumble(path):
    tree = ast.parse(path.read_text())
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    opened = [ast.get_docstring(n) or "" for n in ast.walk(tree) if isinstance(n, kinds)]
    assert not [text for text in opened if text.split(maxsplit=1)[:1] and text.split()[0] in NEVER]
