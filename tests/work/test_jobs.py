"""Laws of jobs: from names to pairs, with every problem that can be known beforehand."""

import os
from pathlib import Path

import pytest

from restorekit.errors import ImageError
from restorekit.work.jobs import expand, plan


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def outputs(jobs):
    assert not any(job.problem for job in jobs), jobs
    return [job.output.as_posix() for job in jobs]


def test_files_folders_and_patterns_name_pictures_each_once_in_order():
    touch("z.png", "in/b.JPG", "in/a.png", "in/notes.txt", "in/deep/c.tif")
    assert [j.source.as_posix() for j in expand(["z.png", "in", "in/*.png", "./z.png"])] == [
        "z.png",
        "in/a.png",
        "in/b.JPG",
    ]
    assert [j.source.as_posix() for j in expand(["in/**/*"])] == ["in/a.png", "in/b.JPG", "in/deep/c.tif"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file():
    touch("a[1].png", "a1.png")
    assert [j.source.name for j in expand(["a[1].png"])] == ["a[1].png"]


def test_the_output_is_beside_the_input_unless_told():
    touch("in/a.png", "b.webp", "c.gif")
    assert outputs(plan(["in/a.png", "b.webp", "c.gif"])) == [
        "in/a.restored.png",
        "b.restored.webp",
        "c.restored.png",
    ]


def test_out_is_a_file_for_one_input():
    touch("a.png")
    assert outputs(plan(["a.png"], "b.jpg")) == ["b.jpg"]
    assert outputs(plan(["a.png"], "new/b.jpg")) == ["new/b.jpg"]


def test_out_is_a_folder_for_several_or_with_a_slash_or_if_it_is_one():
    touch("a.png", "b.jpg", "in/c.png", "out/x.txt")
    assert outputs(plan(["a.png", "b.jpg"], "new")) == ["new/a.png", "new/b.jpg"]
    assert outputs(plan(["a.png"], "new/")) == ["new/a.png"]
    assert outputs(plan(["a.png"], "out")) == ["out/a.png"]
    assert outputs(plan(["in"], "new")) == ["new/c.png"]  # one picture today, perhaps two tomorrow
    assert outputs(plan(["in/*.png"], "new")) == ["new/c.png"]


def test_several_inputs_do_not_go_into_one_file():
    touch("a.png", "b.png", "in/c.png", "plain")
    for arguments in (["a.png", "b.png"], ["in"]):
        for out in ("x.png", "plain"):
            with pytest.raises(ImageError, match="name a folder"):
                plan(arguments, out)


def test_two_inputs_for_one_output_are_refused():
    touch("in/a.png", "a.png", "b.gif", "b.png")
    with pytest.raises(ImageError, match="would both become"):
        plan(["a.png", "in/a.png"], "out")
    with pytest.raises(ImageError, match="would both become"):
        plan(["b.gif", "b.png"])


def test_no_input_is_written_over_even_with_overwrite():
    touch("a.png", "a.restored.png")
    for arguments, out in ((["a.png"], "a.png"), (["a.png"], "."), (["a.png", "a.restored.png"], None)):
        with pytest.raises(ImageError, match="would be written over"):
            plan(arguments, out, overwrite=True)
    os.symlink("a.png", "link.png")
    with pytest.raises(ImageError, match="would be written over"):
        plan(["a.png"], "link.png", overwrite=True)


def test_a_problem_of_one_job_is_told_with_that_job_only():
    touch("a.png", "b.png", "b.restored.png")
    fine, taken, missing = plan(["a.png", "b.png", "c.png"])
    assert not fine.problem
    assert "--overwrite" in taken.problem
    assert "does not exist" in missing.problem and missing.output is None
    assert not plan(["b.png"], overwrite=True)[0].problem


def test_what_was_restored_before_is_passed_over_in_folders_and_patterns_only():
    touch("in/a.png", "in/a.restored.png", "done/b.restored.png")
    assert [j.source.name for j in plan(["in"])] == ["a.png"]
    assert [j.source.name for j in plan(["in/*.png"])] == ["a.png"]
    assert outputs(plan(["in/a.restored.png"])) == ["in/a.restored.restored.png"]
    assert "nothing but restored" in plan(["done"])[0].problem
    assert [j.source.name for j in expand(["in"])] == ["a.png", "a.restored.png"]


def test_an_output_below_a_file_or_without_a_known_extension_is_a_problem():
    touch("a.png", "plain")
    assert "plain" in plan(["a.png"], "plain/b.png")[0].problem
    assert "plain" in plan(["a.png"], "plain/new/b.png")[0].problem
    assert "extension" in plan(["a.png"], "b")[0].problem
    assert ".txt" in plan(["a.png"], "b.txt")[0].problem


def test_a_hopeless_name_is_a_problem_and_no_exception():
    touch("a.png")
    assert expand(["x" * 5000])[0].problem
    assert expand(["a.png/b.png"])[0].problem
    assert expand(["nul\0.png"])[0].problem
    assert expand([""])[0].problem


def test_a_tree_is_mirrored_and_what_is_there_can_be_passed_over():
    touch("in/a.png", "in/deep/b.png", "out/deep/b.png")
    Path("out/deep/b.png").write_bytes(b"from before")
    jobs = plan(["in"], "out", recursive=True, skip_existing=True)
    assert outputs(jobs) == ["out/a.png", "out/deep/b.png"]
    assert [job.done for job in jobs] == [False, True]


def test_standard_input_goes_to_standard_output_unless_told():
    assert [(j.source.name, j.output.name) for j in plan(["-"])] == [("-", "-")]
    assert outputs(plan(["-"], "a.png")) == ["a.png"]
    for arguments, out in ((["-", "a.png"], None), (["-"], "out/"), (["*.png", "b.png"], "-")):
        with pytest.raises(ImageError):
            plan(arguments, out)
