"""Laws of failures: each names the basis that a picture may miss for it."""

import types
from pathlib import Path

import pytest

from restorekit.model.basis import Basis
from restorekit.plugin.catalog import ANY, build_catalog, load_plugins
from tests.plugin.strangers import Entry, plugin

FOLDER = Path(__file__).parent


class Nameless(Basis):
    """A card whose name cannot be read."""

    name = property(lambda self: 1 / 0)

    def __init__(self):
        pass


def broken():
    raise ValueError("no bases today")


MISSED = {
    "a basis with a fault": (lambda: [Basis("fog", "", "weights")], "fog"),
    "a basis whose picture is prepared by no function": (
        lambda: [Basis("fog", "", FOLDER, prepare="clear")],
        "fog",
    ),
    "a basis that sees by no function": (lambda: [Basis("fog", "", FOLDER, sees=len)], "fog"),
    "a basis of an unknown degradation": (lambda: [Basis("fog", "mist", FOLDER)], "fog"),
    "a basis without a name": (lambda: [Basis(None, "", FOLDER)], ANY),
    "a basis whose name raises": (lambda: [Nameless()], ANY),
    "a hook that raises": (broken, ANY),
    "a hook that returns no list": (lambda: 3, ANY),
    "a hook that returns something else": (lambda: [3], ANY),
}


@pytest.mark.parametrize(("hook", "basis"), MISSED.values(), ids=MISSED)
def test_a_failure_names_the_basis_that_is_missing_for_it(hook, basis):
    catalog = build_catalog(load_plugins([Entry("odd", plugin(register_bases=hook))]))
    assert [failure.basis for failure in catalog.failures] == [basis]


@pytest.mark.parametrize(
    ("code", "basis"),
    [
        (SystemExit("no licence"), ANY),
        (types.SimpleNamespace(register_bases=lambda: []), ANY),
        (types.SimpleNamespace(register_degradations=lambda: []), ANY),
        (types.SimpleNamespace(register_commands=lambda app: None), ""),
        (types.SimpleNamespace(), ANY),
    ],
    ids=["cannot be imported", "bare bases", "bare degradations", "bare commands", "no hook"],
)
def test_a_plugin_that_may_have_brought_bases_is_told_from_one_that_has_not(code, basis):
    failures = load_plugins([Entry("odd", code)]).failures
    assert [failure.basis for failure in failures] == [basis]
    assert build_catalog(load_plugins([Entry("odd", plugin(register_methods=lambda: 3))])).failures[0].basis == ""


@pytest.mark.parametrize("field", ["prepare", "sees"])
def test_a_function_named_wrongly_is_told_when_its_basis_is_registered(field):
    def registered(value):
        card = Basis("fog", "", FOLDER, **{field: value})
        return build_catalog(load_plugins([Entry("odd", plugin(register_bases=lambda: [card]))]))

    assert f"has the {field} 'clear'; give 'module:name'" in str(registered("clear").failures[0])
    for value in ("", "package.module:clear"):
        assert "fog" in registered(value).bases
