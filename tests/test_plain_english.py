"""Plain English: a docstring and a help text begin with a verb or with the thing, never with a word of doubt."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REFUSED = re.compile(r"(What|Of|As|Such|So|Likewise|Which|Whether|Where|How)\b")
HELPED = {"Option", "Argument", "Typer"}  # typer's calls whose `help` people read


def files() -> list[Path]:
    return sorted(path for folder in ("restorekit", "plugins") for path in (ROOT / folder).rglob("*.py"))


def first_words(path: Path) -> list[tuple[int, str]]:
    """Line and text of each docstring of a module, class or function, and of each help text."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if text := ast.get_docstring(node):
                found.append((node.body[0].lineno, text))
        elif isinstance(node, ast.Call) and called(node) in HELPED:
            found += [(word.value.lineno, beginning(word.value)) for word in node.keywords if word.arg == "help"]
    return sorted(found)


def called(call: ast.Call) -> str:
    """Name of what is called, without the module before it."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def beginning(text: ast.expr) -> str:
    """The text, or its part before the first thing that is put in."""
    if isinstance(text, ast.JoinedStr):
        return beginning(text.values[0])
    return str(text.value) if isinstance(text, ast.Constant) else ""


def offences(path: Path) -> list[str]:
    return [f"line {line}: {text.splitlines()[0]}" for line, text in first_words(path) if REFUSED.match(text)]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_begins_with_a_verb_or_with_the_thing(path):
    assert not offences(path)


def test_the_lint_sees_every_kind_of_text(tmp_path):
    sample = tmp_path / "sample.py"
    sample.write_text(
        '"""What it is."""\n'
        "class A:\n"
        '    """Of its kind."""\n'
        "    def method(self):\n"
        '        """How it does."""\n'
        "def command(a: Annotated[str, typer.Option(help='So many.')], b=Argument(help=f'Where {a} is.')): ...\n"
        "app = typer.Typer(help='As it is.')\n"
        'def plain():\n    """Whatever comes; Office and Assets are words, too."""\n'
        'def fine():\n    """Offers and assets: soft words, however they begin."""\n'
    )
    assert [offence.partition(": ")[2] for offence in offences(sample)] == [
        "What it is.",
        "Of its kind.",
        "How it does.",
        "So many.",
        "Where ",
        "As it is.",
    ]
