"""Laws of `restorekit inspect`."""

import json
import os

from restorekit.image import read_image
from restorekit.running.restorer import Restorer

BASES = ["blur", "detail", "jpeg", "lowres", "noise", "rain"]


def test_inspecting_shows_every_basis_and_writes_nothing(cli, photo):
    name = "a photograph whose name is longer than the table below it is wide.png"
    photo(name)
    outcome = cli("inspect", name)
    assert outcome.out.splitlines()[0] == name
    lines = [line.split() for line in outcome.out.splitlines() if line.strip()]
    assert lines[1] == ["basis", "weight", "severity"]
    assert [line[0] for line in lines[3:]] == BASES
    assert outcome.err == "" and os.listdir() == [name]


def test_json_says_what_the_restorer_sees(cli, photo):
    path = photo("photo.png")
    record = json.loads(cli("inspect", "photo.png", "--json").out)
    seen = Restorer.from_pretrained(device="cpu").inspect(read_image(path).rgb)[0]
    assert record["weights"] == {name: round(seen.weights[name], 4) for name in BASES}
    assert record["severities"] == {name: round(seen.severities[name], 4) for name in BASES if name != "detail"}
    assert record["size"] == [20, 14]


def test_a_batch_goes_on_after_a_bad_file(cli, photo):
    photo("a.png")
    outcome = cli("inspect", "no.png", "a.png", "--json")
    bad, good = map(json.loads, outcome.out.splitlines())
    assert set(bad) == {"input", "error"} and good["input"] == "a.png"
    assert outcome.code == 1 and outcome.err.splitlines()[-1] == "error: 1 of 2 failed: no.png"
