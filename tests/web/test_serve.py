"""Laws of the server: what is sent comes back as `restore` writes it, to each client its own."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs restorekit[serve]")

from restorekit.cli.main import run
from restorekit.errors import RestorekitError
from restorekit.web import serve as door
from restorekit.web.serve_service import Limits
from restorekit.weighing.control import Wish
from restorekit.work import Listener, Options, Request, restore_files
from tests.web.conftest import form
from tests.web.pictures import many_pages, picture


class Silent(Listener):
    """A listener that overrides nothing."""


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    return tags.tobytes()


ASKED = "/restore?set=noise=0.5&adjust=jpeg=0.5&without=rain&keep=soft&strength=0.9"
SENT = {
    "photo.png": picture(),
    "photo.jpg": picture(kind="JPEG", exif=exif(), icc_profile=None, quality=60),
    "photo.webp": picture(kind="WEBP"),
    "pages.tif": many_pages(),
}


@pytest.mark.parametrize("name", SENT)
def test_what_is_sent_comes_back_as_restore_writes_it(client, tiny, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(SENT[name])
    wish = Wish(set={"noise": 0.5}, adjust={"jpeg": 0.5}, without=("rain",), keep=("soft",), strength=0.9)
    options = Options(wish=wish, precision="fp32", device="cpu")
    assert not restore_files(Request(inputs=(name,), out="out/", options=options), Silent()).failed
    written = Path("out", name).read_bytes()
    raw = client.ask(ASKED, SENT[name])
    body, headers = form(SENT[name], name)
    sent = client.ask(ASKED, body, headers)
    assert raw.status == sent.status == 200
    assert raw.body == sent.body == written
    assert sent.headers["content-type"] == Image.MIME[Image.open(io.BytesIO(written)).format]
    record = json.loads(sent.headers["restorekit-record"])
    assert record["input"] == name and record["weights"]["noise"] == 0.45 and "output" not in record
    assert sent.headers["content-disposition"].endswith(f"{Path(name).stem}.restored{Path(name).suffix}")


def test_only_the_named_bases_are_used(client):
    found = client.ask("/restore?set=rain=1&only=rain&answer=json", picture()).json["weights"]
    assert {name for name, weight in found.items() if weight} == {"rain"} and found["rain"] == 1


def test_options_are_those_of_restore(client):
    larger = client.ask("/restore?scale=2&format=webp&metadata=strip&tile=64&ensemble=1", SENT["photo.jpg"])
    with Image.open(io.BytesIO(larger.body)) as found:
        assert found.format == "WEBP" and found.size == (48, 36) and not found.getexif()
    fine, coarse = (client.ask(f"/restore?format=jpg&quality={q}", picture()) for q in (95, 20))
    assert len(coarse.body) < len(fine.body)
    both = client.ask("/restore?answer=json&format=png", picture()).json
    assert both["format"] == "PNG" and set(both["weights"]) == {
        "blur",
        "detail",
        "jpeg",
        "lowres",
        "noise",
        "rain",
    }
    assert Image.open(io.BytesIO(b64decode(both["picture"]))).size == (24, 18)


def test_a_look_is_asked_for_as_of_restore_and_its_seed_is_a_picture(client):
    asked = "/restore?set=noise=1&only=noise&answer=json"
    plain, one, again, other = (
        client.ask(asked + more, picture()).json
        for more in ("", "&look=0.5&seed=7", "&look=0.5&seed=7&steps=8", "&look=0.5&seed=8")
    )
    assert (one["look"], one["steps"], one["seed"]) == (0.5, 8, 7) and "look" not in plain
    assert one["picture"] == again["picture"]
    assert len({reply["picture"] for reply in (plain, one, other)}) == 3


@pytest.mark.parametrize(
    ("asked", "said"), [("look=2", "0 to 1"), ("look=film=0.5", "no look film"), ("set=look=0.5", "look=0.5")]
)
def test_a_look_that_makes_no_sense_is_refused_before_the_picture_is_read(client, asked, said):
    reply = client.ask(f"/restore?{asked}", picture())
    assert reply.status == 422 and said in reply.error


def test_inspect_tells_weights_and_severities(client):
    body, headers = form(picture(), "../../etc/a\tb.png")
    found = client.ask("/inspect", body, headers).json
    assert found["input"] == "ab.png" and found["size"] == [24, 18]
    assert found["weights"].keys() >= found["severities"].keys() > set()
    assert client.ask("/inspect?scale=2", picture()).status == 422


def test_clients_at_the_same_time_get_each_their_own_picture(client):
    sent = [picture(n, (16 + n, 20)) for n in range(12)]
    alone = [client.ask("/restore", data).body for data in sent]
    with ThreadPoolExecutor(12) as clients:
        together = list(clients.map(lambda data: client.ask("/restore", data).body, sent))
    assert together == alone
    assert len(set(alone)) == len(alone)


def test_the_page_needs_nothing_from_elsewhere_and_names_every_option(client):
    page = client.ask("/")
    text = page.body.decode()
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in text and "<link" not in text and "src=" not in text
    described = client.ask("/openapi.json").json
    assert set(described["paths"]) == {"/restore", "/inspect", "/health"}
    for option in described["paths"]["/restore"]["post"]["parameters"]:
        assert f"<code>{option['name']}</code>" in text and option["description"]


def test_health_tells_model_limits_and_bases(client):
    found = client.ask("/health").json
    assert found["status"] == "ok" and "noise" in found["bases"] and len(found["fingerprint"]) == 64
    assert (found["max_bytes"], found["max_pixels"], found["at_once"]) == (200_000, 20_000, 2)


def test_without_the_extra_one_line_names_it(cli, monkeypatch):
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    outcome = cli("serve", "--port", "0")
    assert outcome.is_one_error() and "pip install 'restorekit[serve]'" in outcome.err


def test_a_port_that_is_taken_and_a_limit_that_is_none_are_one_line(cli):
    with door.listening("127.0.0.1", 0) as taken:
        outcome = cli("serve", "--port", str(taken.getsockname()[1]))
        assert outcome.is_one_error() and "--port" in outcome.err
    assert cli("serve", "--max-pixels", "many").is_one_error()


def test_the_command_serves_until_it_is_told_to_stop(tiny, monkeypatch):
    heard = {}

    def stand_in(service, place):
        heard.update(service=service, place=place.getsockname())
        raise KeyboardInterrupt

    monkeypatch.setattr(door, "run", stand_in)
    with pytest.raises(SystemExit) as ended:
        run(
            ["serve", "--port", "0", "--max-bytes", "3M", "--max-pixels", "5k", "--at-once", "3", "--waiting", "0"]
        )
    assert ended.value.code == 130
    assert heard["service"].limits == Limits(at_once=3, waiting=0, size=3_000_000, pixels=5000)
    assert heard["place"][0] == "127.0.0.1" and "evil.example" not in heard["service"].hosts


def test_the_dockerfile_builds_without_a_network_and_runs_as_nobody(cli):
    printed = cli("serve", "--dockerfile").out
    assert printed == door.DOCKERFILE.read_text()
    steps = [line for line in printed.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    installs = [line for line in steps if "pip install" in line]
    assert installs and all("--no-index" in line and "--find-links" in line for line in installs)
    assert not any(word in printed for word in ("apt-get", "curl", "wget", "http://deb", "git clone"))
    words = [line.split()[0] for line in steps]
    assert words.index("USER") < words.index("ENTRYPOINT")
    (user,) = (line.split()[1] for line in steps if line.startswith("USER"))
    assert user.isdecimal() and int(user) > 0
    (entry,) = (json.loads(line.removeprefix("ENTRYPOINT")) for line in steps if line.startswith("ENTRYPOINT"))
    assert entry[0] == "restorekit" and cli(*entry[1:], "--dockerfile").out == printed


def test_a_server_that_lacks_a_host_says_so():
    with pytest.raises(RestorekitError, match="--host"):
        door.listening("no.such.host.invalid", 0)
