"""Laws of a basis that is learnt from pairs of photographs, and of what lies beside a trained basis."""

import tomllib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator

from restorekit.errors import PluginError, TrainingError
from restorekit.model.basis import Basis
from restorekit.plugin import Paired, catalog
from restorekit.plugin.catalog import Catalog, build_catalog, load_plugins
from restorekit.plugin.testing import check_degradation
from restorekit.signed import write_unless_edited
from restorekit.training.basis import key_from
from restorekit.training.paired import PairedBasisTraining, PairedLooking, PairedPhotos, paired_patches
from restorekit.training.published import CARD, RECIPE, recipe_text
from restorekit.training.recipes import BasisRecipe
from restorekit.training.runs import Settings, read_run
from restorekit.training.start import start_basis_of
from tests.plugin.strangers import Entry, plugin
from tests.training.recipes import CATALOG

COUNT = 10


class Moire(Paired):
    name = "moire"
    order = 30
    summary = "a pattern of two grids"


def write_pair(folder, name, size=(110, 100), seed=0):
    """A picture and the same with stripes, below input/ and target/."""
    coarse = np.random.default_rng(seed).integers(30, 220, (9, 9, 3), dtype=np.uint8)
    clean = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)).astype(int)
    striped = clean + 25 * ((np.arange(size[0]) // 3) % 2)[None, :, None]
    for side, pixels in (("input", striped), ("target", clean)):
        path = folder / side / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def pairs_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for i in range(COUNT):
        write_pair(folder, f"{i:02}.png", (210, 200), seed=i)
    return folder


@pytest.fixture(scope="module")
def pairs(pairs_folder):
    return PairedPhotos.load(pairs_folder / "input", pairs_folder / "target")


@pytest.fixture
def with_moire(tiny, monkeypatch):
    """A plugin for moire beside blur."""
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "denoise,derain,dejpeg,sr,detail")
    stranger = Entry("stranger", plugin(register_degradations=lambda: [Moire()]), "restorekit-moire")
    found = [*catalog.entry_points(group="restorekit"), stranger]
    monkeypatch.setattr(catalog, "entry_points", lambda group: found)
    return build_catalog(load_plugins())


def training_of(seen: Catalog, pairs, run, **choices) -> PairedBasisTraining:
    recipe = replace(BasisRecipe(names=("moire",), rank=2, patch=32, picture=96, groups=1, looks=12), **choices)
    return start_basis_of(seen.model, "moire", recipe, seen, pairs, run)


def test_a_pair_has_one_name_and_one_size_or_is_refused_with_the_name(tmp_path):
    for i in range(4):
        write_pair(tmp_path, f"sub/{i}.png")
    where = tmp_path / "input", tmp_path / "target"
    assert len(PairedPhotos.load(*where).inputs.training) == 3
    Image.new("RGB", (110, 90)).save(where[1] / "sub" / "2.png")
    with pytest.raises(TrainingError, match=r"2\.png has 110x100 px, its partner .*2\.png 110x90; crop"):
        PairedPhotos.load(*where)
    (where[1] / "sub" / "2.png").unlink()
    with pytest.raises(TrainingError, match=r"input/sub/2\.png has no partner .*target/sub/2\.png \(1 such\)"):
        PairedPhotos.load(*where)
    (where[0] / "sub" / "2.png").unlink()
    with pytest.raises(TrainingError, match=r"3 of 3 pairs .* at least 4"):
        PairedPhotos.load(*where)
    with pytest.raises(TrainingError, match="--pairs: "):
        PairedPhotos.load(tmp_path / "nowhere", where[1])


def test_held_out_pairs_are_never_trained_on(pairs):
    assert (len(pairs.inputs.training), len(pairs.inputs.validation)) == (COUNT - 1, 1)
    for held in pairs.targets.validation:
        assert not any(torch.equal(held, other) for other in pairs.targets.training)


def test_both_patches_of_a_pair_are_cut_from_the_same_place(pairs):
    negatives = [255 - photo for photo in pairs.targets.training]
    one, other = paired_patches(pairs.targets.training, negatives, 8, 48, Generator().manual_seed(3))
    assert torch.allclose(one + other, torch.ones_like(one)) and one.std() > 0.05


def test_what_is_drawn_besides_is_in_the_target_where_its_basis_is_off_and_not_where_it_is_on(
    with_moire, pairs, tmp_path, monkeypatch
):
    monkeypatch.setattr("restorekit.training.paired.as_file", lambda degraded, generator: degraded)
    alike = PairedPhotos(pairs.targets, pairs.targets)  # nothing of moire: what differs was drawn besides
    training = training_of(with_moire, alike, tmp_path)
    assert training.recipe.names == ("moire", "blur")
    seen = set()
    for seed in range(40):
        group = training.draw(Generator().manual_seed(seed))
        beside, on = "blur" in group.present, bool(group.mixture[1])
        assert group.mixture[0] > 0 and beside >= on
        if group.mixture[0] == 1:  # and not a share of what would be removed
            assert torch.equal(group.degraded, group.target) != on
            seen.add((beside, on))
    assert seen == {(False, False), (True, False), (True, True)}


def test_a_key_is_fitted_to_inputs_against_targets_that_have_all_else_alike(with_moire, pairs):
    from restorekit.model.encoder import DegradationEncoder, EncoderConfig

    encoder = DegradationEncoder(EncoderConfig(32, 2, (8, 8, 8, 8), 8, (1, 0, 1), 0)).eval()
    looking = PairedLooking(Moire(), (CATALOG.degradation("noise"),), encoder)
    looks = looking.look(pairs.inputs.training, pairs.targets.training, 40, Generator().manual_seed(0))
    present = looks.fractions > 0
    assert int(present.sum()) == 40 == int((~present).sum())
    scale = Moire().severity
    assert float(looks.fractions[present].mean()) == pytest.approx(scale.fraction(25 / 2**0.5), abs=0.1)
    named = [
        sorted(n for n, p in zip(looks.others, present, strict=True) if p == which) for which in (True, False)
    ]
    assert named[0] == named[1] and {n for names in looks.others for n in names} == {"clean", "noise"}
    with pytest.raises(TrainingError, match="do not differ"):
        looking.look(pairs.targets.training, pairs.targets.training, 4, Generator().manual_seed(0))


def test_what_is_known_from_pairs_is_made_by_nobody_and_what_can_be_made_takes_no_pairs(
    cli, with_moire, pairs_folder, photo
):
    photo("photo.png")
    refused = cli("degrade", "photo.png", "-o", "bad.png", "--with", "moire=3")
    assert refused.is_one_error() and "known from pairs" in refused.err
    with pytest.raises(PluginError, match="cannot be made"):
        Moire().draw((1, 3, 8, 8), Generator())
    asked = check_degradation(Moire())
    asked.require()
    assert len(asked.laws) == 1
    sides = [str(pairs_folder / side) for side in ("input", "target")]
    for arguments, said in (
        (("moire", sides[1]), "give --pairs"),
        (("blur", "--pairs", *sides), "restorekit.plugin.Paired"),
        (("moire", sides[1], "--pairs", *sides), "in place of photos"),
        (("moire",), "wants folders"),
        ((), "name the degradation"),
    ):
        outcome = cli("train", "basis", *arguments, "--iterations", "1", "--threads", "1")
        assert outcome.code == 1 and said in outcome.err and "Traceback" not in outcome.err, arguments


def test_a_basis_whose_pictures_are_prepared_learns_from_pairs_and_its_key_from_photographs(
    cli, with_moire, pairs_folder, tmp_path, monkeypatch
):
    sides = [str(pairs_folder / side) for side in ("input", "target")]
    seen = []
    monkeypatch.setattr(
        "restorekit.training.paired.key_from",
        lambda photos, *others: seen.append(len(photos.training)) or key_from(photos, *others),
    )
    monkeypatch.setattr("restorekit.training.photos.HELD_OUT_EVERY", 2)
    short = ("--iterations", "2", "--patch", "32", "--rank", "2", "--looks", "12", "--threads", "1")
    outcome = cli("train", "basis", "blur", sides[1], "--pairs", *sides, *short, "--export", "out/blur")
    assert outcome.code == 0, outcome.err
    assert len(seen) == 1
    card, recipe = ((tmp_path / "out" / "blur" / name).read_text() for name in (CARD, "recipe.toml"))
    assert "of 255 apart" in card and "photos = [" in recipe and "pairs = [" in recipe


def test_a_basis_from_pairs_learns_and_comes_with_recipe_and_card_that_run_again(
    cli, with_moire, pairs_folder, tmp_path
):
    sides = [str(pairs_folder / side) for side in ("input", "target")]
    short = ("--iterations", "12", "--patch", "32", "--rank", "2", "--looks", "12", "--threads", "1")
    outcome = cli("train", "basis", "moire", "--pairs", *sides, *short, "--export", "out/moire")
    assert outcome.code == 0 and "written beside it: recipe.toml, README.md" in outcome.err, outcome.err
    basis = Basis("moire", "moire", tmp_path / "out" / "moire")
    basis.check()
    assert any(float(layer.up.abs().max()) > 0 for name, layer in basis.layers().items() if name != "head")
    card = (basis.folder / CARD).read_text()
    assert card.startswith("---\nlicense: unknown\n") and "| 1 pairs, difference 1" in card
    for words in (
        "| clean | ",
        "(blur) | ",
        "| severity | input | named | blind |",
        "12 steps of",
        "seed 2",
        "9 pairs to train on",
    ):
        assert words in " ".join(card.split()), words
    recipe = basis.folder / RECIPE
    settings, given = read_run(recipe, ["run=again", "export=again/moire", "iterations=1"])
    assert settings.pairs == tuple(sides) and given["looks"] == 12 and given["names"] == ("moire",)
    outcome = cli("train", str(recipe), "run=again", "export=again/moire", "iterations=1")
    assert outcome.code == 0 and (tmp_path / "again" / "moire" / CARD).exists(), outcome.err


def test_what_a_person_has_written_is_never_written_over(tmp_path):
    path = tmp_path / CARD
    assert write_unless_edited(path, "one\n") == path
    assert write_unless_edited(path, "two\n") == path and path.read_text().startswith("two\n")
    edited = path.read_text().replace("two", "mine")
    path.write_text(edited)
    beside = write_unless_edited(path, "three\n")
    assert beside.name == "README.generated.md" and beside.read_text().startswith("three\n")
    assert path.read_text() == edited


def test_a_recipe_says_all_that_the_run_was_asked_for():
    left_out = {"run": "r", "export": "e", "from_weights": "o"}
    settings = Settings("basis", ("my photos/",), minutes=3.5, model="other", **left_out)
    recipe = BasisRecipe(names=("fog", "noise"), rank=4, inlet=False, learning_rate=1e-5)
    values = tomllib.loads(recipe_text(settings, recipe))
    assert values["training"] == "basis" and values["photos"] == ["my photos/"] and values["minutes"] == 3.5
    assert values["model"] == "other" and values["names"] == ["fog"] and values["learning_rate"] == 1e-5
    assert values["inlet"] is False and not set(left_out) & set(values)
