"""Laws of what the server refuses, and of what it outlives."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs restorekit[serve]")

from restorekit.running.restorer import Restorer
from restorekit.web.serve_service import Limits
from tests.web.conftest import form, serving
from tests.web.pictures import many_pages, picture

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
