"""Laws of `restorekit restore`."""

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from restorekit.model.weights import write_sums
from restorekit.running.device import bf16_pays
from restorekit.running.restorer import Restorer
from tests.tiny import BASES, LOOK


def pixels(path):
    with Image.open(path) as image:
        return image.size, image.tobytes()


def test_a_picture_is_restored_beside_itself_and_one_line_says_how(cli, photo):
    photo("photo.png")
    outcome = cli("restore", "photo.png", "--set", "noise=1", "--set", "jpeg=0.5")
    assert outcome.code == 0 and outcome.err == ""
    assert outcome.out.startswith("photo.png -> photo.restored.png  ") and outcome.out.endswith(" s\n")
    assert "noise 1.00 (sigma " in outcome.out and "jpeg 0.50 (quality " in outcome.out
    assert pixels("photo.restored.png")[0] == (20, 14)


def test_with_every_weight_at_zero_there_is_nothing_to_restore_and_the_pixels_stay(cli, photo):
    photo("photo.png")
    outcome = cli("restore", "photo.png", "--only", "--set", "rain=0")
    assert "nothing to restore" in outcome.out
    assert pixels("photo.restored.png") == pixels("photo.png")


def test_only_leaves_bases_that_are_not_set_at_zero(cli, photo):
    photo("photo.png")
    record = json.loads(cli("restore", "photo.png", "--only", "--set", "rain=0.7", "--json").out)
    assert record["weights"] == {**dict.fromkeys(BASES, 0), LOOK: 0, "rain": 0.7}
    assert record["severities"] == {}


def test_json_is_one_object_per_image_on_stdout_and_the_rest_is_on_stderr(cli, photo):
    photo("a.png")
    photo("c.png")
    outcome = cli("restore", "a.png", "b.png", "c.png", "--json")
    first, second, third = map(json.loads, outcome.out.splitlines())
    assert set(first) == {"input", "output", "weights", "severities", "copied", "seconds", "size", "notes"}
    assert (first["input"], first["output"], first["size"]) == ("a.png", "a.restored.png", [20, 14])
    assert second["input"] == "b.png" and "does not exist" in second["error"]
    assert third["output"] == "c.restored.png"
    assert "b.png" in outcome.err and outcome.code == 1


def test_scale_enlarges(cli, photo):
    photo("photo.png")
    record = json.loads(cli("restore", "photo.png", "--scale", "3", "--json").out)
    assert record["size"] == [60, 42]
    assert pixels("photo.restored.png")[0] == (60, 42)


def test_tiles_seeds_and_steps_of_a_deterministic_backbone_leave_the_result_as_it_is(cli, photo):
    photo("photo.png", (150, 120))
    cli("restore", "photo.png", "-o", "a.png", "--seed", "1")
    cli(
        "restore",
        "photo.png",
        "-o",
        "b.png",
        "--seed",
        "2",
        "--tile",
        "1",
        "--device",
        "cpu",
        "--precision",
        "fp32",
    )
    a, b = (pixels(p)[1] for p in ("a.png", "b.png"))
    assert max(abs(x - y) for x, y in zip(a, b, strict=True)) <= 1
    assert cli("restore", "photo.png", "--steps", "2").code == 0


def test_an_ensemble_is_asked_for_and_is_another_picture(cli, photo):
    photo("photo.png", (150, 120))
    for name, more in (("a.png", ()), ("b.png", ("--ensemble",))):
        assert cli("restore", "photo.png", "-o", name, "--set", "noise=1", "--precision", "fp32", *more).code == 0
    assert pixels("a.png")[0] == pixels("b.png")[0]
    assert pixels("a.png")[1] != pixels("b.png")[1]


def test_nothing_is_overwritten_without_being_told(cli, photo):
    photo("photo.png")
    taken = Path("photo.restored.png")
    taken.write_bytes(b"mine")
    outcome = cli("restore", "photo.png")
    assert outcome.is_one_error() and "--overwrite" in outcome.err
    assert taken.read_bytes() == b"mine"
    assert cli("restore", "photo.png", "--overwrite").code == 0
    assert pixels(taken)[0] == (20, 14)


def test_a_batch_goes_on_after_a_bad_file_and_says_at_the_end_which_failed(cli, photo):
    photo("in/a.png")
    photo("in/c.png")
    Path("in/b.png").write_bytes(Path("in/a.png").read_bytes()[:60])
    outcome = cli("restore", "in", "-o", "deep/out")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == f"error: 1 of 3 failed: {Path('in/b.png')}"
    assert sorted(os.listdir("deep/out")) == ["a.png", "c.png"]
    assert len(outcome.out.splitlines()) == 2


def test_a_folder_passes_over_what_was_restored_before(cli, photo):
    photo("in/a.png")
    assert cli("restore", "in").code == 0
    cli("restore", "in", "--overwrite")
    assert sorted(os.listdir("in")) == ["a.png", "a.restored.png"]


def bad_inputs(folder: Path, photo) -> dict[str, str]:
    (folder / "empty.png").touch()
    (folder / "truncated.jpg").write_bytes(photo("whole.jpg").read_bytes()[:400])
    (folder / "text.png").write_text("no image")
    (folder / "bare").mkdir()
    return {
        "missing.png": "does not exist",
        "empty.png": "is empty",
        "truncated.jpg": "cut short",
        "text.png": "convert it to PNG",
        "bare": "no images in",
        "x*.png": "no image matches",
    }


@pytest.mark.parametrize(
    "command", [("restore",), ("inspect",), ("degrade", "-o", "out.png", "--with", "noise=5")]
)
def test_bad_input_is_one_line_with_a_remedy_and_leaves_no_file(cli, photo, tmp_path, command):
    expected = bad_inputs(tmp_path, photo)
    before = sorted(os.listdir())
    for name, reason in expected.items():
        arguments = [*command, name]
        if command[0] == "degrade" and name in ("bare", "x*.png"):
            arguments[2] = "out/"
        outcome = cli(*arguments)
        assert outcome.is_one_error() and reason in outcome.err and ";" in outcome.err, outcome
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("--device", "abacus"), "auto, cpu, cuda or mps"),
        (("--precision", "fp8"), "fp32, bf16, fp16"),
        (("--scale", "5"), "2, 3 or 4"),
        (("--tile", "0"), "auto"),
        (("--tile", "big"), "auto"),
        (("--set", "fog=1"), "there are blur, detail, jpeg, lowres, noise, rain"),
        (("--set", "noise"), "noise=1"),
        (("--set", "noise=much"), "noise=1"),
        (("--set", "noise=2"), "[0, 1.5]"),
        (("--set", "noise=nan"), "[0, 1.5]"),
        (("--set", "noise=1", "--set", "noise=0"), "twice"),
        (("--only",), "--set"),
        (("-o", "photo.png", "--overwrite"), "choose another"),
        (("-o", "photo.txt"), ".png"),
        (("-o", "photo"), "slash"),
        (("-o", "photo.png/out.png"), "choose another"),
    ],
)
def test_a_bad_option_is_one_line_with_a_remedy(cli, photo, arguments, remedy):
    photo("photo.png")
    outcome = cli("restore", "photo.png", *arguments)
    assert outcome.is_one_error() and remedy in outcome.err, outcome
    assert os.listdir() == ["photo.png"]


def test_too_little_memory_is_one_line_with_a_remedy(cli, photo, monkeypatch):
    def restore(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    photo("photo.png")
    monkeypatch.setattr(Restorer, "restore", restore)
    outcome = cli("restore", "photo.png")
    assert outcome.is_one_error() and "--tile" in outcome.err


def test_a_precision_that_this_processor_computes_slowly_is_told_once(cli, photo, monkeypatch):
    photo("a.png"), photo("b.png")
    monkeypatch.setattr("restorekit.running.device.multiplies_bf16", lambda: False)
    monkeypatch.setattr("restorekit.running.device.bf16_pays", bf16_pays.__wrapped__)
    slow = cli("restore", "a.png", "b.png", "-o", "slow/", "--precision", "bf16")
    assert slow.code == 0 and slow.err.count("\n") == 1
    assert slow.err.startswith("warning: ") and "bf16" in slow.err and "--precision fp32" in slow.err
    for precision in ("auto", "fp32"):
        assert cli("restore", "a.png", "b.png", "-o", f"{precision}/", "--precision", precision).err == ""


def test_an_interrupt_ends_with_130_and_no_partial_file(cli, photo, monkeypatch):
    def restore(*_, **__):
        raise KeyboardInterrupt

    photo("photo.png")
    monkeypatch.setattr(Restorer, "restore", restore)
    assert cli("restore", "photo.png").code == 130
    assert os.listdir() == ["photo.png"]


@pytest.mark.skipif(os.name == "nt", reason="such names do not exist there")
def test_a_line_stays_a_line_whatever_a_file_is_called(cli, photo):
    photo("line\nbreak [red].png")
    os.rename("line\nbreak [red].png", b"line\nbreak [red] \xff.png")
    name = os.fsdecode(b"line\nbreak [red] \xff.png")
    outcome = cli("restore", name)
    assert outcome.code == 0 and len(outcome.out.splitlines()) == 1 and "[red]" in outcome.out
    assert "[red]" in cli("inspect", name).out
    assert cli("restore", name).is_one_error()


def test_what_was_left_out_is_a_warning_and_the_rest_restores(cli, photo, tiny, tmp_path, monkeypatch):
    copy = tmp_path / "weights"
    shutil.copytree(tiny, copy)
    (copy / "rain" / "basis.json").write_text(json.dumps({"backbone_sha256": "0" * 64, "degradation": "rain"}))
    write_sums(copy / "rain")
    monkeypatch.setenv("RESTOREKIT_WEIGHTS", str(copy))
    photo("photo.png")
    outcome = cli("restore", "photo.png", "--json")
    record = json.loads(outcome.out)
    assert outcome.code == 3 and "rain" not in record["weights"]
    assert outcome.err.startswith("warning: derain: ") and outcome.err.count("\n") == 1
    assert ["basis rain" in note and "000000" in note for note in record["notes"]] == [True]
    inspected = cli("inspect", "photo.png", "--json")
    assert inspected.code == 3 and "basis rain" in json.loads(inspected.out)["notes"][0]
    chosen = cli("restore", "photo.png", "-o", "chosen.png", "--only", "--set", "noise=1", "--json")
    assert chosen.code == 0 and json.loads(chosen.out)["notes"] == []  # nobody asked for it
    outcome = cli("restore", "photo.png", "missing.png", "-o", "out/")
    assert outcome.code == 1 and Path("out/photo.png").exists()  # a failure says more
    outcome = cli("restore", "photo.png", "--overwrite", "--set", "rain=1")
    assert outcome.is_one_error() and "no basis rain" in outcome.err
