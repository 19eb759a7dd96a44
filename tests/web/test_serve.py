"""Laws of the server: what is sent comes back as `restore` writes it, to each client its own; and it stays up."""

from __future__ import annotations

import io
import json
import threading
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs restorekit[serve]")

from restorekit.cli.main import run
from restorekit.errors import RestorekitError
from restorekit.running.restorer import Restorer
from restorekit.web import serve as door
from restorekit.web.serve_service import Limits
from restorekit.weighing.control import Wish
from restorekit.work import Listener, Options, Request, restore_files
from tests.web.conftest import form, serving


class Silent(Listener):
    """A listener that overrides nothing."""


def picture(number: int = 0, size: tuple[int, int] = (24, 18), kind: str = "PNG", **how) -> bytes:
    """A small picture file, different for each number."""
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).rotate(37 * number).convert("RGB").save(buffer, kind, **how)
    return buffer.getvalue()


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    return tags.tobytes()


def many_pages() -> bytes:
    buffer = io.BytesIO()
    pages = [Image.radial_gradient("L").resize((20, 10 + n)) for n in range(2)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


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


BAD = {
    "a text": ("/restore", b"hello", 415),
    "a drawing": ("/inspect", b"<svg></svg>", 415),
    "a GIF": ("/restore", b"GIF89a" + bytes(40), 415),
    "nothing": ("/restore", b"", 422),
    "half a picture": ("/restore", picture(size=(90, 90))[:-40], 422),
    "a header alone": ("/inspect", picture()[:40], 422),
    "an unknown option": ("/restore?colour=1", picture(), 422),
    "a scale of 9": ("/restore?scale=9", picture(), 422),
    "a scale that is none": ("/restore?scale=big", picture(), 422),
    "an unknown basis": ("/restore?set=fog=1", picture(), 422),
    "a weight that is none": ("/restore?set=noise=much", picture(), 422),
    "a name twice": ("/restore?set=noise=1&set=noise=0", picture(), 422),
    "wishes that contradict": ("/restore?set=noise=1&without=noise", picture(), 422),
    "an unknown preset": ("/restore?keep=beer", picture(), 422),
    "a strength of 3": ("/restore?strength=3", picture(), 422),
    "too large a weight": ("/restore?set=noise=7", picture(), 422),
    "an unknown format": ("/restore?format=gif", picture(), 422),
    "pages for a PNG": ("/restore?format=png", many_pages(), 422),
    "too many bytes": ("/restore", bytes(200_001), 413),
    "too many bytes in pieces": ("/restore", iter([bytes(150_000)] * 3), 413),
    "too many pixels": ("/restore", picture(size=(200, 101)), 413),
    "too many pixels when enlarged": ("/restore?scale=4", picture(size=(50, 50)), 413),
    "an unknown address": ("/enhance", picture(), 404),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_in_one_sentence_that_tells_nothing_of_the_server(client, what):
    path, body, status = BAD[what]
    reply = client.ask(path, body)
    assert reply.status == status
    assert reply.error and "restorekit-" not in reply.error and "/upload" not in reply.error
    assert "--" not in reply.error, "an option of the command line"
    assert client.inside() == 0


def test_a_form_holds_one_file_and_nothing_else(client):
    data, headers = form(b"1", field="scale")
    field = data.replace(b'; filename="photo.png"', b"")
    assert "?scale=2" in client.ask("/restore", field, headers).error
    twice = form(picture())[0].replace(b"--=b--\r\n", b"") + form(picture())[0]
    for body in (b"--=b--\r\n", twice, b"no form at all"):
        reply = client.ask("/restore", body, headers)
        assert reply.status == 422 and "curl -F file=@photo.jpg" in reply.error


def test_too_many_pixels_are_not_decoded(client, monkeypatch):
    monkeypatch.setattr(Restorer, "restore", lambda *a, **k: pytest.fail("restored"))
    large = picture(size=(200, 101))
    monkeypatch.setattr(Image.Image, "load", lambda *a: pytest.fail("decoded"))
    assert "at most 0.02 million" in client.ask("/restore", large).error


@pytest.fixture
def busy(one_restorer, monkeypatch):
    """A server for one picture at a time and one that waits, whose work stands still until it is let go."""
    began, go, stopped = threading.Semaphore(0), threading.Event(), []
    real = Restorer.restore

    def slow(self, *pictures, progress, **how):
        began.release()
        while not go.wait(0.01):
            try:
                progress(0, 1)
            except BaseException as error:
                stopped.append(error)
                raise
        return real(self, *pictures, progress=progress, **how)

    monkeypatch.setattr(Restorer, "restore", slow)
    with serving(restorer=one_restorer, limits=Limits(at_once=1, waiting=1)) as client:
        yield client, began, go, stopped
        go.set()


def test_a_full_queue_says_when_to_come_again_and_the_others_are_served(busy):
    client, began, go, _ = busy
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(client.ask, "/restore", picture(1))
        began.acquire()
        second = clients.submit(client.ask, "/restore", picture(2))
        client.wait(lambda: client.inside() == 2)
        full = client.ask("/restore", bytes(300_000))
        assert full.status == 503 and int(full.headers["retry-after"]) >= 1 and full.error
        go.set()
        assert first.result().status == second.result().status == 200
    assert client.ask("/restore", picture(3)).status == 200


def test_who_goes_away_frees_the_place_whether_waiting_or_worked_on(busy):
    client, began, go, stopped = busy
    working = client.begin("/restore", picture(1))
    began.acquire()
    waiting = client.begin("/restore", picture(2))
    client.wait(lambda: client.inside() == 2)
    waiting.close()
    client.wait(lambda: client.inside() == 1)
    working.close()
    client.wait(lambda: client.inside() == 0)
    assert [type(error).__name__ for error in stopped] == ["StoppedError"], "the one that waited never began"
    go.set()
    assert client.ask("/restore", picture(3)).status == 200
    assert client.lines.count("/restore: the client went away") == 2


def test_half_a_body_holds_no_place_once_its_sender_is_gone(client):
    connection = client.begin("/restore", b"")
    connection.sendall(b"POST /restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    client.wait(lambda: client.inside() == 1)
    connection.close()
    client.wait(lambda: client.inside() == 0)


def test_a_fault_in_the_program_is_told_and_the_server_stays_up(client, monkeypatch):
    def broken(*args, **how):
        raise ZeroDivisionError("no")

    with monkeypatch.context() as patched:
        patched.setattr(Restorer, "restore", broken)
        reply = client.ask("/restore", picture())
        assert reply.status == 500 and "please report it" in reply.error and "upload" not in reply.error
    assert client.ask("/restore", picture()).status == 200


def test_a_lack_of_memory_is_no_fault_of_the_picture(client, monkeypatch):
    def full(*args, **how):
        raise MemoryError

    monkeypatch.setattr(Restorer, "restore", full)
    reply = client.ask("/restore", picture())
    assert reply.status == 503 and reply.headers["retry-after"] and "tile=512" in reply.error


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_pages_of_other_origins_are_turned_away(client, origin):
    reply = client.ask("/restore", picture(), {"Origin": origin})
    assert reply.status == 403 and "access-control-allow-origin" not in reply.headers


def test_a_name_that_is_made_to_point_here_is_turned_away(client):
    assert client.ask("/health", headers={"Host": f"evil.example:{client.port}"}).status == 403
    assert client.ask("/health", headers={"Host": f"localhost:{client.port}"}).status == 200


def test_the_origin_that_is_let_in_and_the_own_page_may_ask(client):
    friend = client.ask("/restore", picture(), {"Origin": "https://friend.example"})
    assert friend.status == 200 and friend.headers["access-control-allow-origin"] == "https://friend.example"
    own = f"http://127.0.0.1:{client.port}"
    assert client.ask("/restore", picture(), {"Origin": own}).status == 200


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
