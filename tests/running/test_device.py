"""Laws of device, precision and tile: chosen by what there is, and the same each time on one machine."""

import os
import subprocess
import sys

import pytest
import torch

from restorekit import cache, machine
from restorekit.errors import DeviceError
from restorekit.running import device, remembered
from restorekit.running.device import auto_tile, bf16_pays, choose_precision, slower_than_fp32, winograd_pays

CPU = torch.device("cpu")


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Let the processor have bf16 and be as fast in it as is said; an empty cache."""
    monkeypatch.setenv(cache.CACHE, str(tmp_path / "cache"))
    monkeypatch.setattr(device, "multiplies_bf16", lambda: True)
    monkeypatch.setattr(device, "bf16_pays", bf16_pays.__wrapped__)

    def say(seconds: float, winograd: float = 1.0) -> torch.dtype:
        times = {"bf16": seconds, "fp32": 1.0, "winograd": winograd}
        monkeypatch.setattr(device, "block_seconds", lambda ways: [times[way] for way in ways])
        return choose_precision("auto", CPU)

    return say


@pytest.mark.parametrize(("seconds", "chosen"), [(0.5, torch.bfloat16), (0.95, torch.float32)])
def test_on_a_cpu_bf16_is_chosen_where_it_is_faster_and_the_choice_is_kept(asked, seconds, chosen):
    assert asked(seconds) == chosen
    for other in (0.1, 2.0, 0.90, 0.91):  # whatever another start would measure
        assert asked(other) == chosen


def test_on_a_cpu_without_bf16_nothing_is_timed(monkeypatch):
    monkeypatch.setattr(device, "multiplies_bf16", lambda: False)
    monkeypatch.setattr(device, "block_seconds", lambda ways: pytest.fail("timed"))
    monkeypatch.setattr(device, "bf16_pays", bf16_pays.__wrapped__)
    assert choose_precision("auto", CPU) == torch.float32


@pytest.mark.parametrize(("fast", "chosen"), [(True, torch.bfloat16), (False, torch.float32)])
def test_where_nothing_can_be_kept_the_kind_of_processor_decides(asked, monkeypatch, tmp_path, fast, chosen):
    (tmp_path / "plain").touch()
    monkeypatch.setenv(cache.CACHE, str(tmp_path / "plain" / "cache"))  # below a file: no folder can be made
    monkeypatch.setattr(device, "fast_bf16", lambda: fast)
    assert [asked(seconds) for seconds in (0.1, 0.84, 2.0)] == [chosen] * 3


@pytest.mark.parametrize(("seconds", "chosen"), [(0.4, torch.bfloat16), (0.6, torch.float32)])
def test_bf16_has_to_be_faster_than_winograds_way_too_but_not_for_training(asked, monkeypatch, seconds, chosen):
    monkeypatch.setattr(device, "available", lambda: True)
    assert asked(seconds, winograd=0.5) == chosen
    assert choose_precision("auto", CPU, gradients=True) == torch.bfloat16


@pytest.mark.parametrize("pays", [True, False])
def test_winograds_way_is_gone_where_it_is_the_faster_one_and_the_choice_is_kept(monkeypatch, tmp_path, pays):
    monkeypatch.setenv(cache.CACHE, str(tmp_path))
    monkeypatch.setattr(device, "available", lambda: True)
    for seconds in (0.5 if pays else 1.5, 1.0, 0.1, 2.0):
        monkeypatch.setattr(device, "block_seconds", lambda ways, seconds=seconds: [1.0, seconds])
        assert winograd_pays.__wrapped__() is pays
    monkeypatch.setattr(device, "available", lambda: False)
    assert winograd_pays.__wrapped__() is False


def test_another_processor_or_torch_is_asked_anew(asked, monkeypatch):
    assert asked(0.5) == torch.bfloat16
    monkeypatch.setattr(device, "processor", lambda: "another one")
    assert asked(0.95) == torch.float32
    monkeypatch.setattr(torch, "__version__", "0.0")
    assert asked(0.5) == torch.bfloat16


def test_a_damaged_answer_is_measured_again_and_of_two_askers_the_first_is_right(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.CACHE, str(tmp_path))
    assert remembered.once("is it so?", lambda: True) is True
    (kept,) = tmp_path.iterdir()
    for damage in ("", "{", "[]", '{"answer": 1}'):
        kept.write_text(damage)
        assert remembered.once("is it so?", lambda: False) is False

    def overtaken() -> bool:
        assert remembered.once("and this?", lambda: True) is True  # another process, in the meantime
        return False

    assert remembered.once("and this?", overtaken) is True


def test_processes_started_at_the_same_time_choose_alike(tmp_path):
    code = (
        "import torch; from restorekit.running.device import choose_precision; "
        "print(choose_precision('auto', torch.device('cpu')))"
    )
    environment = {**os.environ, cache.CACHE: str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in started]
    assert said[0] == said[1] and said[0].startswith("torch.")


def test_the_automatic_tile_goes_by_all_memory_and_not_by_the_moment(monkeypatch):
    def side(whole, free):
        monkeypatch.setattr(device, "all_memory", lambda: whole)
        monkeypatch.setattr(device, "free_memory", lambda: free)
        return auto_tile(CPU)

    assert side(None, None) == side(10**12, 10**12) == side(16 * 10**9, 8 * 10**8) == 1024
    assert side(10**9, 10**9) == side(10**9, 3 * 10**8) == 512
    assert side(16 * 10**9, 10**8) == 256  # so short that the tile itself would not fit
    assert side(10**4, 0) == 1


def test_a_half_precision_without_instructions_for_it_is_known_to_be_slow(monkeypatch):
    monkeypatch.setattr(machine, "read", lambda path: "flags\t: fpu avx2")
    assert slower_than_fp32(torch.bfloat16, CPU) and slower_than_fp32(torch.float16, CPU)
    assert not slower_than_fp32(torch.float32, CPU)
    assert not slower_than_fp32(torch.bfloat16, torch.device("cuda"))
    monkeypatch.setattr(machine, "read", lambda path: "flags\t: fpu avx512_bf16")
    assert not slower_than_fp32(torch.bfloat16, CPU) and slower_than_fp32(torch.float16, CPU)


def test_timing_moves_nobodys_generator():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    device.block_seconds(("fp32",))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", ["abacus", "", None, 3.5])
def test_what_is_no_device_is_refused_with_the_remedy(name):
    with pytest.raises(DeviceError, match="auto, cpu, cuda or mps"):
        device.choose_device(name)
