"""Laws of runs as files: their keys are the fields of the recipes, and they train what the commands train."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from restorekit.cli.train import app as train
from restorekit.errors import TrainingError
from restorekit.training.checkpoint import CHECKPOINT
from restorekit.training.recipes import BackboneRecipe
from restorekit.training.runs import NOT_OF, RECIPES, Settings, make_recipe, read_run


def written(folder, text):
    path = folder / "run.toml"
    path.write_text(text)
    return path


def made(path, *changes):
    return make_recipe(*read_run(path, changes))


def test_what_a_file_leaves_out_is_as_the_dataclasses_and_the_commands_have_it(tmp_path):
    path = written(tmp_path, 'training = "backbone"\nphotos = ["photos"]\n')
    settings, given = read_run(path, [])
    assert settings == Settings("backbone", ("photos",)) and not given
    assert made(path) == BackboneRecipe(("noise", "blur", "lowres", "rain", "jpeg"), (32,) * 5, (1.0,) * 5)


def test_a_file_sets_every_type_of_field_and_the_command_changes_it(tmp_path):
    path = written(
        tmp_path,
        'training = "backbone"\nphotos = ["a", "b"]\nnames = ["noise", "rain"]\ndecay = 1\nranks = [4, 5]\n'
        'sets = [["noise:camera+rain", 0.1]]\nshares = { rain = 2 }\noptimiser = "muon"\ndeadline = "9m"\n',
    )
    recipe = made(path)
    assert (recipe.names, recipe.ranks, recipe.shares) == (("noise", "rain"), (4, 5), (1.0, 2.0))
    assert (recipe.sets, recipe.optimiser) == ((("noise:camera+rain", 0.1),), "muon")
    assert recipe.decay == 1.0 and isinstance(recipe.decay, float)
    changes = (
        "patch=48",
        "loss=rms",
        "learning_rate=1e-3",
        "channels=[8,16]",
        "names=rain",
        "ranks={}",
        "shares={}",
    )
    changed = made(path, *changes, "sets=[]")
    assert (changed.patch, changed.loss, changed.learning_rate, changed.channels) == (48, "rms", 1e-3, (8, 16))
    assert (changed.names, changed.ranks) == (("rain",), (32,))
    settings, _ = read_run(path, ["deadline=90s", "photos=c", "device=cpu"])
    assert (settings.deadline, settings.photos, settings.device) == ("90s", ("c",), "cpu")


@pytest.mark.parametrize("training", RECIPES)
def test_an_unknown_key_is_refused_with_those_there_are(tmp_path, training):
    path = written(tmp_path, f'training = "{training}"\nphotos = ["photos"]\nlearning_speed = 3\n')
    with pytest.raises(TrainingError, match="no key learning_speed") as refused:
        read_run(path, [])
    for kind in (Settings, RECIPES[training]):
        names = {field.name for field in fields(kind)} - set(NOT_OF[training])
        assert all(name in str(refused.value) for name in names)
    with pytest.raises(TrainingError, match="no key lerning_rate"):
        read_run(written(tmp_path, f'training = "{training}"\nphotos = []\n'), ["lerning_rate=1"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patch = 1.5", "patch must be a whole number, got 1.5"),
        ("patch = true", "patch must be a whole number, got True"),
        ('decay = "much"', "decay must be a number, got 'much'"),
        ("loss = 3", "loss must be a text, got 3"),
        ("channels = 8", "channels must be a list, got 8"),
        ('sets = ["noise"]', "sets must be a list, got 'noise'"),
        ('sets = [["noise", 1, 2]]', "sets must have 2 values in each entry"),
        ("ranks = [1, 2]", "ranks must have 5 numbers, as names has, got 2"),
        ("shares = { haze = 2 }", "no basis haze; there are noise, blur"),
        ('shares = { noise = "x" }', "shares.noise must be a number"),
        ('only = ["noise"]', "only wants from_weights"),
        ('only = ["haze"]', "only names haze; there are noise, blur"),
        ('sets = [["noise/haze", 0.1]]', "sets names haze; there are noise, blur"),
        ('weights = "weights"', "no key weights for backbone"),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_one_that_is_wanted(tmp_path, text, words):
    path = written(tmp_path, f'training = "backbone"\nphotos = ["photos"]\n{text}\n')
    with pytest.raises(TrainingError) as refused:
        made(path)
    assert words in str(refused.value)


def test_what_is_no_run_is_refused_with_what_it_lacks(tmp_path):
    for text, words in (
        ("training = ", "is no recipe"),
        ('training = "decoder"', "training must be backbone, encoder, basis, detail, latent, look, got 'decoder'"),
        ('training = "backbone"', "lacks photos"),
    ):
        with pytest.raises(TrainingError, match=words):
            read_run(written(tmp_path, text), [])
    with pytest.raises(TrainingError, match="is no recipe"):
        read_run(tmp_path / "none.toml", [])
    path = written(tmp_path, 'training = "basis"\nphotos = ["photos"]\n')
    with pytest.raises(TrainingError, match="KEY=VALUE, got 'fast'"):
        read_run(path, ["fast"])
    with pytest.raises(TrainingError, match="names with one degradation"):
        made(path)
    assert made(path, "names=haze").names == ("haze",)


def test_a_file_trains_what_the_command_trains(folder, tmp_path):
    options = "--names noise,blur --channels 8,16 --blocks 1,1 --patch 32 --group-size 2"
    options += " --share blur=2 --rank noise=2"
    path = written(
        tmp_path,
        f'training = "backbone"\nphotos = ["{folder}"]\nnames = ["noise", "blur"]\nchannels = [8, 16]\n'
        "blocks = [1, 1]\npatch = 32\ngroup_size = 2\nshares = { blur = 2 }\nranks = { noise = 2 }\n"
        'device = "cpu"\niterations = 9\n',
    )
    runs = [tmp_path / "command", tmp_path / "file"]
    commands = (
        ["backbone", str(folder), *options.split(), "--device", "cpu", "--iterations", "2", "--run", str(runs[0])],
        [str(path), f"run={runs[1]}", "iterations=2"],
    )
    trained = []
    for command, run in zip(commands, runs, strict=True):
        result = CliRunner().invoke(train, command)
        assert result.exit_code == 0, result.output
        with safe_open(run / CHECKPOINT, "pt") as file:
            recipe = json.loads(file.metadata()["recipe"])
            trained.append((recipe, {n: file.get_tensor(n) for n in file.keys()}))  # noqa: SIM118
    (recipe, tensors), (same, others) = trained
    assert recipe == same
    assert tensors.keys() == others.keys()
    assert all(tensors[name].equal(others[name]) for name in tensors)


def test_the_run_that_the_readme_of_the_weights_shows_is_one(tmp_path):
    readme = (Path(__file__).parents[2] / "weights" / "README.md").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", readme, re.DOTALL)
    recipe = made(written(tmp_path, shown), "deadline=9m")
    assert recipe.shares == (0.24, 0.20, 0.24, 0.14, 0.18)
