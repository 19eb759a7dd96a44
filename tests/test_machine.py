"""Laws of the machine: a container's limits are the machine's."""

import os
import platform

import pytest

from restorekit import machine


@pytest.fixture
def group(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    return tmp_path


def test_a_quota_of_one_and_a_half_processors_is_at_most_two(group):
    there = machine.processors()
    (group / "cpu.max").write_text("150000 100000\n")
    assert machine.processors() == min(2, there)
    (group / "cpu.max").write_text("max 100000\n")
    assert machine.processors() == there >= 1


def test_memory_ends_where_the_container_ends(group):
    (group / "memory.max").write_text("5000\n")
    (group / "memory.current").write_text("2000\n")
    assert machine.free_memory() == 3000
    (group / "memory.max").write_text("max\n")
    free = machine.free_memory()
    assert free is None or free > 3000


@pytest.mark.parametrize(("line", "there"), [
    ("flags\t\t: fpu avx512f avx512_bf16 amx_bf16", True),
    ("Features\t: fp asimd bf16", True),
    ("flags\t\t: fpu avx512f", False),
    ("model name\t: bf16", False),
])  # fmt: skip
def test_bf16_is_there_where_the_processors_flags_say_so(monkeypatch, line, there):
    monkeypatch.setattr(machine, "read", lambda path: f"processor\t: 0\n{line}\nbogomips\t: 1")
    assert machine.multiplies_bf16() is there


def test_freed_memory_is_kept_where_the_c_library_can():
    assert machine.keep_freed_memory() is (platform.libc_ver()[0] == "glibc")


@pytest.mark.parametrize(
    ("bf16", "said", "left"), [(False, None, "PASSIVE"), (True, None, None), (False, "ACTIVE", "ACTIVE")]
)
def test_threads_rest_where_others_convolve_unless_the_user_says_otherwise(monkeypatch, bf16, said, left):
    monkeypatch.setattr(machine, "multiplies_bf16", lambda: bf16)
    monkeypatch.setenv("OMP_WAIT_POLICY", said or "")
    if said is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    machine.let_threads_rest()
    assert os.environ.get("OMP_WAIT_POLICY") == left
