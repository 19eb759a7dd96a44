"""Laws of the loop around the steps: deadlines, losses that go wrong, checkpoints, the log."""

import csv
import json
import time
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner

from restorekit.cli.train import app as train
from restorekit.cli.values import minutes_in
from restorekit.errors import DeviceError, TrainingError
from restorekit.training import compiling
from restorekit.training.backbone import BackboneTraining
from restorekit.training.base import FRESH_RAMP
from restorekit.training.budget import Budget
from restorekit.training.checkpoint import CHECKPOINT
from restorekit.training.compiling import compile_blocks, time_limit
from restorekit.training.engine import CPU, Engine, choose_engine, training_precision
from restorekit.training.start import start_backbone
from restorekit.training.watch import MOST
from tests.training.recipes import CATALOG, TINY, degradations, parameters

PLAIN = replace(TINY, warm_up=0.0)
EACH = Engine(judge_seconds=0, judge_steps=1)  # every loss is judged


def start(photos, recipe=PLAIN, engine=None):
    return BackboneTraining(recipe, degradations(), photos, engine)


def even(training, factor):
    """Make every loss 1, times a factor."""
    error = training.error

    def loss(predicted, target):
        value = error(predicted, target)
        return value / value.detach() * factor()

    training.error = loss


def rows(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_deadline_counts_by_the_clock_from_the_start_of_the_command():
    started = time.monotonic() - 90
    budget = Budget(deadline=3, started=started)
    assert budget.progress(seconds=0, iterations=0) == pytest.approx(0.5, abs=0.01)
    assert budget.progress(seconds=10**6, iterations=10**6) == pytest.approx(0.5, abs=0.01)
    assert Budget(deadline=1, started=started).progress(0, 0) == 1
    with pytest.raises(TrainingError, match="--deadline"):
        Budget(minutes=1, deadline=1)


def test_a_training_ends_at_its_deadline_and_tells_the_time_that_is_left(photos, tmp_path):
    training, factors = start(photos), []
    training.run(
        Budget(deadline=2 / 60),
        tmp_path,
        report=lambda progress: factors.append((progress.share_done, progress.seconds_left)),
    )
    shares, left = zip(*factors, strict=True)
    assert sorted(shares) == list(shares) and 0.5 < shares[-1] < 1
    assert left[-1] == pytest.approx(2 * (1 - shares[-1]), abs=0.01)
    assert (tmp_path / CHECKPOINT).exists()


@pytest.mark.parametrize("form", ["threads", "device"])
@pytest.mark.parametrize("factor", [torch.nan, torch.inf, 50.0])
def test_a_loss_that_goes_wrong_brings_the_last_good_weights_back_at_half_the_rate(photos, tmp_path, form, factor):
    training = start(photos, engine=EACH)
    if form == "device":
        training.step = training.stepper.step
    before, told, seen = [], [], []
    even(training, lambda: factor if training.counters.iteration == 4 else 1.0)
    training.run(
        Budget(iterations=8),
        tmp_path,
        tell=told.append,
        report=lambda progress: (
            before.append(parameters(training)),
            seen.append((training.counters.brake, progress.learning_rate)),
        ),
    )
    assert all(torch.equal(before[4][name], value) for name, value in before[3].items())
    assert any(not torch.equal(before[5][name], value) for name, value in before[4].items())
    assert [brake for brake, _ in seen] == [1.0] * 4 + [0.5] * 4
    assert seen[5][1] < 0.7 * seen[4][1]
    assert all(value.isfinite().all() for value in training.tensors().values())
    assert len(told) == 1 and "half the learning rate" in told[0]
    assert [row["value"] for row in rows(tmp_path) if row["name"] == "rolled back"] == told


def test_losses_that_go_wrong_before_the_first_minute_is_over_are_compared_with_those_of_the_first_seconds(photos):
    from restorekit.training.watch import FIRST_SECONDS, Watch

    training = start(photos, engine=Engine(judge_steps=2))
    training.watched = lambda: True
    watch = Watch(training)
    watch.due.last -= FIRST_SECONDS
    assert [watch.add(torch.tensor(1.0)) for _ in range(3)] == [""] * 3
    watch.due.last -= training.engine.judge_seconds
    assert any(watch.add(torch.tensor(40.0)).endswith("half the learning rate") for _ in range(2))


def test_going_back_also_brings_back_the_averages_and_what_the_optimiser_knows(photos, tmp_path):
    training = start(photos, engine=EACH)
    training.run(Budget(iterations=2), tmp_path)
    from restorekit.training.watch import Watch

    watch = Watch(training)
    good = {name: tensor.clone() for name, tensor in training.tensors().items()}
    training.step(1.0)
    changed = {name.partition(".")[0] for name, t in training.tensors().items() if not torch.equal(t, good[name])}
    assert changed == {"parameter", "average", "optimiser"}
    assert "back" in watch.add(float("nan"))
    assert all(torch.equal(tensor, good[name]) for name, tensor in training.tensors().items())


def test_a_loss_that_stays_wrong_ends_the_training_with_the_last_good_weights_saved(photos, tmp_path):
    training = start(photos, engine=EACH)
    even(training, lambda: 1.0 if training.counters.iteration < 2 else torch.nan)
    training.run(Budget(iterations=2), tmp_path)
    good = parameters(training)
    with pytest.raises(TrainingError, match="lower --learning-rate"):
        training.run(Budget(iterations=30), tmp_path)
    assert training.counters.iteration == 2 + MOST
    slower = replace(PLAIN, learning_rate=1e-5)
    again = start_backbone(slower, CATALOG, photos, tmp_path, None)
    assert all(torch.equal(value, good[name]) for name, value in parameters(again).items())
    assert again.counters.brake == 1.0
    same = start_backbone(PLAIN, CATALOG, photos, tmp_path, None)
    assert same.counters.brake == 0.5**MOST


def test_a_compact_checkpoint_holds_the_averages_alone_and_the_training_goes_on_from_them(photos, tmp_path):
    whole, compact = start(photos), start(photos, engine=Engine(compact=True))
    for training, name in ((whole, "whole"), (compact, "compact")):
        training.run(Budget(iterations=4), tmp_path / name)
    files = [tmp_path / name / CHECKPOINT for name in ("whole", "compact")]
    large, small = (file.stat().st_size for file in files)
    assert small < large / 4
    again = start_backbone(PLAIN, CATALOG, photos, tmp_path / "compact", None)
    assert again.counters.iteration == 4 and again.ramp == FRESH_RAMP
    assert again.rate_factor(0.0) == pytest.approx(1 / FRESH_RAMP)
    for value, parameter, old in zip(
        again.average.values, again.trainable().values(), compact.average.values, strict=True
    ):
        assert torch.equal(value, parameter.detach())
        assert torch.allclose(value, old, rtol=1e-3, atol=1e-6)
    assert not torch.equal(again.generator.get_state(), start(photos).generator.get_state())
    again.run(Budget(iterations=6), tmp_path / "compact")
    assert again.counters.iteration == 6


def test_a_checkpoint_from_before_there_was_a_brake_is_resumed(photos, tmp_path):
    training = start(photos)
    training.run(Budget(iterations=2), tmp_path)
    with safe_open(tmp_path / CHECKPOINT, "pt") as file:
        metadata = file.metadata()
        tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
    counters = json.loads(metadata["counters"])
    del counters["brake"]
    save_file(tensors, tmp_path / CHECKPOINT, {**metadata, "counters": json.dumps(counters)})
    again = start_backbone(PLAIN, CATALOG, photos, tmp_path, None)
    assert (again.counters.iteration, again.counters.brake) == (2, 1.0)
    assert all(torch.equal(value, parameters(training)[name]) for name, value in parameters(again).items())


def test_the_log_has_the_device_the_patches_a_second_and_the_share_of_the_data(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("restorekit.training.running.LOG_SECONDS", 0.0)
    start(photos).run(Budget(iterations=3), tmp_path)
    named = {row["name"]: row["value"] for row in rows(tmp_path)}
    assert named["device"] == "cpu"
    assert 0 < float(named["data share"]) < 1
    # Of 4 patches a step, and no step here takes a millisecond or a minute.
    assert 0.06 < float(named["patches/s"]) < 4000


def test_blocks_that_cannot_be_compiled_are_run_as_they_are(photos, tmp_path, monkeypatch):
    def broken(function, **options):
        def fail(*args):
            raise RuntimeError("no compiler\nis here")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    one, other = start(photos, engine=Engine(compiled=True)), start(photos)
    told = []
    one.run(Budget(iterations=2), tmp_path / "one", tell=told.append)
    other.run(Budget(iterations=2), tmp_path / "other")
    assert told == ["the blocks are run uncompiled: no compiler"]
    assert all(torch.equal(value, parameters(other)[name]) for name, value in parameters(one).items())


def test_blocks_that_take_too_long_to_compile_are_run_as_they_are(photos, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **options: lambda *args: time.sleep(5))
    began = time.monotonic()
    training = start(photos, engine=Engine(compiled=True, compile_seconds=0.2))
    assert "longer than 0.2 s" in compile_blocks(training)
    assert training.step(1.0) > 0
    assert time.monotonic() - began < 4


def test_compiled_blocks_compute_where_gradients_are_wanted_and_only_there(photos, monkeypatch):
    calls = []

    def counting(function, **options):
        return lambda *args: (calls.append(args[:2]), function(*args))[1]

    monkeypatch.setattr(compiling.torch, "compile", counting)
    training, plain = start(photos, engine=Engine(compiled=True)), start(photos)
    assert "compiled in" in compile_blocks(training)
    assert len(calls) == 3  # blocks: two down, one up, of two sizes
    assert len({id(block) for block, _ in calls}) == 2
    assert not any(isinstance(t, torch.nn.Parameter) for _, tensors in calls for t in tensors.values())
    calls.clear()
    assert training.validate() == plain.validate() and not calls
    assert training.step(1.0) == plain.step(1.0)
    assert len(calls) == 6


@pytest.mark.slow
def test_really_compiled_blocks_give_the_same_loss(photos):
    recipe = replace(PLAIN, channels=(8,), blocks=(1,))  # blocks of one size: each more takes 10 s to compile
    training = start(photos, recipe, Engine(compiled=True, compile_seconds=300))
    plain = start(photos, recipe)
    said = compile_blocks(training)
    if "uncompiled" in said:
        pytest.skip(said)
    assert training.step(1.0) == pytest.approx(plain.step(1.0), rel=1e-4)


def test_a_time_limit_leaves_what_is_quick_alone():
    with time_limit(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(TimeoutError, match=r"0\.05 s"), time_limit(0.05):
        time.sleep(5)


def test_an_engine_is_chosen_by_words_and_others_are_refused_with_those_there_are():
    assert choose_engine("cpu") == Engine(CPU)
    assert choose_engine("cpu", "on", "weights") == Engine(CPU, compiled=True, compact=True)
    with pytest.raises(TrainingError, match="--compile must be auto, on or off, got 'maybe'"):
        choose_engine("cpu", "maybe")
    with pytest.raises(TrainingError, match="--checkpoint must be all or weights, got 'none'"):
        choose_engine("cpu", "auto", "none")
    with pytest.raises(DeviceError, match="--device auto or cpu"):
        choose_engine("cuda:7")
    with pytest.raises(TrainingError, match="bf16 or fp32"):
        training_precision("fp16", CPU)


@pytest.mark.parametrize(("text", "minutes"), [("9m", 9), ("90s", 1.5), ("1.5h", 90), ("0.5m", 0.5)])
def test_a_deadline_is_a_time_with_its_unit(text, minutes):
    assert minutes_in(text, "--deadline") == pytest.approx(minutes)


@pytest.mark.parametrize("text", ["9", "m", "9 minutes", "-3m", "0m", "1h30m"])
def test_a_deadline_that_is_no_time_is_refused_with_examples(text):
    with pytest.raises(TrainingError, match=r"--deadline must be .* as 9m, 90s or 1\.5h, got"):
        minutes_in(text, "--deadline")


def test_the_command_trains_to_a_deadline_and_goes_on_from_a_compact_checkpoint(folder, tmp_path):
    command = ["train", "backbone", str(folder), "--run", str(tmp_path / "run"), "--channels", "8,16"]
    command += ["--blocks", "1,1", "--names", "noise,blur", "--patch", "32", "--groups", "2", "--group-size", "2"]
    command += ["--device", "cpu", "--checkpoint", "weights"]
    results = [
        CliRunner().invoke(train, [*command[1:], *budget])
        for budget in (["--deadline", "3s"], ["--iterations", "100000", "--deadline", "1s"], ["--deadline", "2s"])
    ]
    assert [result.exit_code for result in results] == [0, 1, 0]
    assert "either --minutes, --iterations or --deadline" in str(results[1].exception)
    assert "resuming" in results[2].stderr
    with safe_open(tmp_path / "run" / CHECKPOINT, "pt") as file:
        assert {name.partition(".")[0] for name in file.keys()} == {"average"}  # noqa: SIM118
