"""Laws of the benchmark's files: no circles, every public name is there, and each file opens plainly."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import restorekit.bench

FOLDER = Path(restorekit.bench.__file__).parent
FILES = sorted(p for p in FOLDER.glob("*.py") if p.stem != "__init__")
NEVER = ("What", "Of", "As", "Such", "So", "Likewise", "Which", "Whether", "Where", "How", "Why")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported_from(path: Path) -> tuple[ast.ImportFrom, ...]:
    return tuple(node for node in ast.walk(tree_of(path)) if isinstance(node, ast.ImportFrom))


def test_no_file_needs_one_that_needs_it():
    """Imports for the type checker and inside functions count as well."""
    needs = {}
    for path in FILES:
        modules = [node.module for node in imported_from(path)]
        needs[path.stem] = {m.split(".")[2] for m in modules if m and m.startswith("restorekit.bench.")}
    assert "scoring" in needs["run"] and "scoring" in needs["workers"]
    list(TopologicalSorter(needs).static_order())  # raises CycleError


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_file_names_what_others_may_use(path):
    module = importlib.import_module(f"restorekit.bench.{path.stem}")
    assert module.__all__ and all(hasattr(module, name) for name in module.__all__)
    imports = [node for other in FILES if other != path for node in imported_from(other)]
    used = {a.name for n in imports if n.module == f"restorekit.bench.{path.stem}" for a in n.names}
    assert used <= set(module.__all__)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_docstring_opens_with_a_word_that_makes_a_reader_stumble(path):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    opened = [ast.get_docstring(n) or "" for n in ast.walk(tree_of(path)) if isinstance(n, kinds)]
    assert not [text for text in opened if text.split(maxsplit=1)[:1] and text.split()[0] in NEVER]
