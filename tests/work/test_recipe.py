"""Laws of recipes of mixtures: what is written is read, and what does not fit is refused with the remedy."""

import pytest

from restorekit.errors import ImageError, MixingError, RestorekitError
from restorekit.model.mixing import Mixture
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.remote import fetch
from restorekit.work.recipe import MixtureRecipe, check_place, fingerprint_of, read_recipe

MIXTURE = Mixture({"noise": 0.25, "rain": 1.0, "blur": 0.0})


@pytest.fixture
def catalog(tiny):
    return build_catalog(load_plugins()).of_model("")


@pytest.fixture
def saved(catalog, tmp_path):
    path = tmp_path / "look.toml"
    MixtureRecipe(MIXTURE, catalog.model.name, fingerprint_of(catalog, MIXTURE.active), 0.87).save(path)
    return path


def changed(path, old, new):
    path.write_text(path.read_text().replace(old, new))
    return path


def test_a_recipe_is_read_as_it_was_saved_and_fits(catalog, saved):
    recipe = read_recipe(saved)
    assert recipe.mixture == MIXTURE and recipe.explained == 0.87
    assert recipe.fitted(catalog, saved, fetch) == {"noise": 0.25, "rain": 1.0}
    assert recipe.fingerprint == fingerprint_of(catalog, {"rain", "noise"}) != fingerprint_of(catalog, {"rain"})


def test_a_file_that_is_there_is_not_replaced_unasked(saved):
    recipe, text = read_recipe(saved), saved.read_text()
    for refused in (lambda: recipe.save(saved), lambda: check_place(saved, overwrite=False)):
        with pytest.raises(ImageError, match="exists; pass --overwrite"):
            refused()
    assert saved.read_text() == text
    check_place(saved, overwrite=True)
    for bad, said in ((saved.with_suffix(".png"), "ends in .toml"), (saved.parent / "no" / "a.toml", "no folder")):
        with pytest.raises(ImageError, match=said):
            check_place(bad, overwrite=False)


def test_a_recipe_for_a_basis_that_is_missing_names_it_unless_its_weight_is_0(catalog, saved):
    changed(saved, '"blur" = 0.0', '"fog" = 0.0')
    assert read_recipe(saved).fitted(catalog, saved, fetch)
    changed(saved, '"fog" = 0.0', '"fog" = 0.5')
    with pytest.raises(MixingError, match=r"look.toml needs basis fog, .* install the package"):
        read_recipe(saved).fitted(catalog, saved, fetch)


def test_a_recipe_for_another_model_names_it(catalog, saved):
    changed(saved, f'model = "{catalog.model.name}"', 'model = "wide"')
    with pytest.raises(MixingError, match=r"is for model wide, not .*; add --model wide"):
        read_recipe(saved).fitted(catalog, saved, fetch)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('training = "backbone"\nphotos = ["a"]\n', r"recipe of a training, which `restorekit train .*` runs"),
        ("weights = [", "is no recipe"),
        ("[weights]\nnoise = 1.0\n", "no recipe of a mixture"),
        ('kind = "mixture"\n[weights]\n', "no recipe of a mixture"),
        ('kind = "mixture"\n[weights]\nnoise = "much"\n', "weight noise must be a number"),
        ('kind = "mixture"\n[weights]\nnoise = true\n', "weight noise must be a number"),
        ('kind = "mixture"\n[weights]\nnoise = nan\n', "noise=nan is outside"),
        ('kind = "mixture"\n[weights]\nnoise = 2.0\n', r"look.toml: weight noise=2 is outside \[0, 1.5\]"),
        ('kind = "mixture"\nweight = 1\n[weights]\nnoise = 1\n', "unknown key weight"),
        ('kind = "mixture"\nexplained = "all"\n[weights]\nnoise = 1\n', "explained must be a number"),
    ],
)
def test_what_is_no_recipe_of_a_mixture_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "look.toml"
    path.write_text(text)
    with pytest.raises(RestorekitError, match=said) as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


def test_a_recipe_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RestorekitError, match=r"cannot read the recipe .*look.toml"):
        read_recipe(tmp_path / "look.toml")
