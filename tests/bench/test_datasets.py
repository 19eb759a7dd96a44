"""Laws of finding datasets."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from restorekit.bench.datasets import Copy, Dataset, Download, data_roots, how_to_get, load_datasets, locate
from restorekit.bench.download import download
from restorekit.bench.errors import BenchError


def paired(*copies: Copy) -> Dataset:
    return Dataset("Pairs", "Pairs", "paired", 3, "somewhere", "free", copies or (Copy(("Pairs",), 3),))


def fill(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_part_is_found_and_called_a_part(tmp_path: Path):
    for side in ("input", "target"):
        fill(tmp_path / "Pairs_first2" / side, ["a.png", "b.png"])
    found = locate(paired(Copy(("Pairs",), 3), Copy(("Pairs_first2",), 2)), (tmp_path,))
    assert found is not None and found.partial
    assert found.title == "Pairs (2 of 3)"


def test_the_whole_set_is_preferred_to_a_part(tmp_path: Path):
    for side in ("input", "target"):
        fill(tmp_path / "Pairs_first2" / side, ["a.png", "b.png"])
        fill(tmp_path / "Pairs" / side, ["a.png", "b.png", "c.png"])
    found = locate(paired(Copy(("Pairs_first2",), 2), Copy(("Pairs",), 3)), (tmp_path,))
    assert found is not None and not found.partial and found.title == "Pairs"


def test_several_inputs_may_share_a_target(tmp_path: Path):
    fill(tmp_path / "Pairs" / "input", ["1_0.8.png", "1_0.9.png", "2_1.png"])
    fill(tmp_path / "Pairs" / "target", ["1.jpg", "2.jpg"])
    found = locate(paired(), (tmp_path,))
    assert found is not None
    assert [s.target.name for s in found.sources if s.target] == ["1.jpg", "1.jpg", "2.jpg"]


def test_an_input_without_a_partner_is_an_error(tmp_path: Path):
    fill(tmp_path / "Pairs" / "input", ["1.png"])
    fill(tmp_path / "Pairs" / "target", ["2.png"])
    with pytest.raises(BenchError, match=r"input/1\.png"):
        locate(paired(), (tmp_path,))


def test_a_missing_set_is_none(tmp_path: Path):
    assert locate(paired(), (tmp_path,)) is None


def test_the_digest_is_of_names_and_bytes_only(tmp_path: Path):
    digests = set()
    for copy in ("one", "two"):
        for side in ("input", "target"):
            fill(tmp_path / copy / "Pairs" / side, ["a.png", "b.png", "c.png"])
        found = locate(paired(), (tmp_path / copy,))
        assert found is not None
        digests.add(found.digest())
    assert len(digests) == 1
    (tmp_path / "two" / "Pairs" / "input" / "a.png").write_bytes(b"changed")
    changed = locate(paired(), (tmp_path / "two",))
    assert changed is not None and changed.digest() not in digests


def test_data_come_from_the_option_then_the_environment_then_the_cache(tmp_path: Path, monkeypatch):
    option, variable = tmp_path / "option", tmp_path / "variable"
    option.mkdir()
    monkeypatch.setenv("RESTOREKIT_DATA", str(variable))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    roots = data_roots(option)
    places = [option, option / "test", variable, variable / "test"]
    assert list(roots[:4]) == places and roots[4] == tmp_path / "cache" / "restorekit" / "data"
    with pytest.raises(BenchError, match="--data"):
        data_roots(tmp_path / "nothing")


def test_a_set_without_an_address_says_what_to_get_and_where_to_put_it(tmp_path: Path):
    dataset = load_datasets()["Manga109"]
    with pytest.raises(BenchError) as error:
        download(dataset, tmp_path)
    assert dataset.home in str(error.value) and str(tmp_path / "Manga109") in str(error.value)
    assert "\n" not in str(error.value)
    assert dataset.terms in how_to_get(dataset, tmp_path)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Address of an archive with two folders of three files each, on this machine."""
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as archive:
        for side in ("wet", "dry"):
            for name in ("a.png", "b.png", "c.png", "notes.txt"):
                archive.writestr(f"pairs-main/{side}/{name}", f"{side} {name}")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_set_is_fetched_put_in_its_place_and_found(tmp_path: Path, served: str):
    pytest.importorskip("pooch")
    address = f"{served}/pairs.zip"
    sides = (Download(address, "*/wet/*.png", "input"), Download(address, "*/dry/*.png", "target"))
    dataset = replace(paired(), downloads=sides)
    assert download(dataset, tmp_path / "data") == tmp_path / "data" / "Pairs"
    found = locate(dataset, (tmp_path / "data",))
    assert found is not None and not found.partial
    assert [s.input.read_text() for s in found.sources if s.input] == ["wet a.png", "wet b.png", "wet c.png"]
    for wrong, reason in (
        (replace(dataset, downloads=(Download(f"{served}/none.zip", "*"),)), "cannot be fetched"),
        (replace(dataset, downloads=(Download(address, "*/snow/*"),)), "holds nothing like"),
        (replace(dataset, count=5), "3 pictures of 5"),
    ):
        with pytest.raises(BenchError, match=reason) as error:
            download(wrong, tmp_path / "data")
        assert "somewhere" in str(error.value)  # where else to get it


def test_every_set_at_hand_is_the_one_in_the_catalogue(data: Path):
    for dataset in load_datasets().values():
        found = locate(dataset, (data / "test",))
        if found is not None:
            assert found.copy.sha256 == found.digest(), dataset.name
