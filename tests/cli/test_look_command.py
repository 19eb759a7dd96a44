"""Laws of --look at the command line: what is said, what is written, and how it is done again."""

import html
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from restorekit.image import read_image
from restorekit.model.basis import add_to_record

FIXED = ("--set", "noise=0.8", "--only", "--precision", "fp32")


def values(path):
    return read_image(path).values.int()


def test_a_look_changes_the_picture_by_its_seed_and_0_does_not(cli, photo):
    photo("photo.png", (90, 60))
    for name, options in (
        ("plain.png", ()),
        ("zero.png", ("--look", "0", "--seed", "3")),
        ("one.png", ("--look", "0.5", "--seed", "3")),
        ("named.png", ("--look", "look=0.5", "--seed", "3", "--steps", "8", "--tile", "1")),
        ("other.png", ("--look", "0.5")),
    ):
        done = cli("restore", "photo.png", "-o", name, *FIXED, *options)
        assert done.code == 0, done.err
    assert values("plain.png").equal(values("zero.png"))
    assert values("one.png").equal(values("named.png")) and not values("one.png").equal(values("plain.png"))
    assert not values("one.png").equal(values("other.png"))


def test_the_record_and_the_manifest_tell_look_steps_and_seed(cli, photo):
    photo("photo.png", (90, 60))
    done = cli("restore", "photo.png", *FIXED, "--look", "0.5", "--json", "--manifest", "run.jsonl")
    record = json.loads(done.out)
    assert (record["look"], record["steps"], record["seed"]) == (0.5, 8, 0)
    assert "look" not in record["weights"]
    run, line = map(json.loads, Path("run.jsonl").read_text().splitlines())
    assert (line["look"], line["steps"], line["seed"]) == (0.5, 8, 0)
    assert "look look/adapter_model.safetensors" in run["look"] and run["options"]["look"] == 0.5
    assert "look 0.50" in cli("restore", "photo.png", "-o", "b.png", *FIXED, "--look", "0.5").out


def test_a_run_without_a_look_tells_of_none(cli, photo):
    photo("photo.png", (90, 60))
    record = json.loads(cli("restore", "photo.png", *FIXED, "--json").out)
    assert not {"look", "steps", "seed"} & set(record)


def test_a_picture_that_needs_nothing_is_copied_byte_for_byte_whatever_the_look(cli, photo):
    path = photo("photo.png", (90, 60))
    done = cli("restore", "photo.png", "--strength", "0", "--look", "1", "--json")
    record = json.loads(done.out)
    assert record["copied"] and "look" not in record
    assert Path(record["output"]).read_bytes() == path.read_bytes()


def test_every_picture_of_a_folder_has_the_same_seed(cli, photo):
    photo("in/a.png", (90, 60))
    photo("in/b.png", (90, 60))
    assert cli("restore", "in", "-o", "out", *FIXED, "--look", "0.7").code == 0
    assert values("out/a.png").equal(values("out/b.png"))


def test_both_commands_of_a_report_make_the_same_pixels_again(cli, photo):
    photo("photo.png", (90, 60))
    done = cli(
        "restore", "photo.png", "-o", "out.png", "--report", "page.html", *FIXED, "--look", "0.5", "--seed", "7"
    )
    assert done.code == 0, done.err
    page, first = Path("page.html").read_text(), values("out.png")
    assert "look 0.50, 8 steps, seed 7" in page
    lines = re.findall(r"<pre>(.*?)</pre>", page)
    commands = [shlex.split(html.unescape(re.sub("<[^>]+>", "", line))) for line in lines]
    assert len(commands) == 2
    for command in commands:
        os.remove("out.png")
        Path("page.html").unlink(missing_ok=True)
        assert cli(*command[1:]).code == 0
        assert values("out.png").equal(first)


def test_a_look_of_16_bits_and_of_a_transparent_picture_keeps_what_it_has_to(cli, tmp_path):
    torch.manual_seed(0)
    grey = (torch.rand(60, 90) * 40000 + 9000).to(torch.int32).to(torch.uint16)
    Image.fromarray(grey.numpy()).save("deep.png")
    colours = (torch.rand(60, 90, 4) * 255).to(torch.uint8)
    colours[:, :40, 3] = 0
    Image.fromarray(colours.numpy()).save("clear.png")
    assert cli("restore", "deep.png", "clear.png", "-o", "out", *FIXED, "--look", "1").code == 0
    assert read_image("out/deep.png").values.dtype == torch.uint16
    before, after = read_image("clear.png"), read_image("out/clear.png")
    assert after.alpha.equal(before.alpha)
    assert after.values[..., :40].equal(before.values[..., :40])
    assert not after.values[..., 40:].equal(before.values[..., 40:])


@pytest.mark.parametrize(
    "options",
    [("--set", "look=0.5"), ("--adjust", "look=0.5"), ("--without", "look"), ("--mask", "look=photo.png")],
    ids=" ".join,
)
def test_a_look_is_not_taken_for_a_basis_and_the_error_names_the_way(cli, photo, options):
    photo("photo.png")
    outcome = cli("restore", "photo.png", *options)
    assert outcome.is_one_error() and "--look 0.5" in outcome.err


@pytest.mark.parametrize(
    ("text", "said"), [("1.5", "0 to 1"), ("-1", "0 to 1"), ("much", "0 to 1"), ("film=0.5", "no look film")]
)
def test_a_look_that_makes_no_sense_is_one_error(cli, photo, text, said):
    photo("photo.png")
    outcome = cli("restore", "photo.png", "--look", text)
    assert outcome.is_one_error() and said in outcome.err


def test_without_a_look_installed_the_error_says_where_to_look(cli, photo, monkeypatch):
    photo("photo.png")
    monkeypatch.setenv("RESTOREKIT_BLOCK_PLUGINS", "detail")
    outcome = cli("restore", "photo.png", "--look", "0.5")
    assert outcome.code == 1 and "no look is installed" in outcome.err and "restorekit plugins" in outcome.err


def test_a_look_of_another_backbone_is_missed_by_those_alone_who_ask_for_it(
    cli, photo, tiny, tmp_path, monkeypatch
):
    photo("photo.png")
    shutil.copytree(tiny, tmp_path / "weights")
    add_to_record(tmp_path / "weights" / "look", {"backbone_sha256": "0" * 64})
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(tmp_path / "weights"))
    plain = cli("restore", "photo.png")
    assert plain.code == 0 and "'look' is refused: made for a backbone 000000000000" in plain.err
    asked = cli("restore", "photo.png", "-o", "b.png", "--look", "0.5")
    assert asked.code == 1 and "no look" in asked.err and not Path("b.png").exists()


def test_plugins_shows_a_look_as_one(cli):
    record = json.loads(cli("plugins", "--json").out)
    (model,) = record["models"]
    assert model["looks"] == ["look"] and "look" not in model["bases"]
    assert "looks" in cli("plugins").out


def test_an_export_refuses_a_look(cli):
    outcome = cli("export", "--set", "look=1", "-o", "look.onnx")
    assert outcome.is_one_error() and "several steps" in outcome.err and not Path("look.onnx").exists()


def test_an_inspection_tells_of_no_look(cli, photo):
    photo("photo.png", (90, 60))
    assert "look" not in json.loads(cli("inspect", "photo.png", "--json").out)["weights"]
