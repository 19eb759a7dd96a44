"""Laws of masks that are sent: beside the picture in a form, they do what --mask does with files."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="needs restorekit[serve]")

from restorekit.weighing import Wish
from restorekit.work import Listener, Options, Request, restore_files
from tests.web.conftest import form

SIZE = (24, 18)
ASKED = "/restore?set=noise=1&set=rain=0.5&only=noise&only=rain"
WISH = Wish(set={"noise": 1.0, "rain": 0.5}, only=("noise", "rain"))


class Silent(Listener):
    """A listener that overrides nothing."""


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def mask(size: tuple[int, int] = SIZE, left: int = 255, right: int = 0) -> bytes:
    """White on the left, black on the right."""
    image = Image.new("L", size, right)
    image.paste(left, (0, 0, size[0] // 2, size[1]))
    return png(image)


PHOTO = png(Image.radial_gradient("L").resize(SIZE).convert("RGB"))


@pytest.mark.parametrize(("name", "feather"), [("", 0), ("noise", 0), ("", 3)])
def test_masks_that_are_sent_do_what_files_do(client, tiny, tmp_path, monkeypatch, name, feather):
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(PHOTO)
    Path("mask.png").write_bytes(mask())
    options = Options(wish=WISH, precision="fp32", device="cpu", masks={name: "mask.png"}, feather=feather)
    assert not restore_files(Request(inputs=("photo.png",), out="out/", options=options), Silent()).failed
    field = f"mask.{name}" if name else "mask"
    sent = client.ask(f"{ASKED}&feather={feather}", *form(PHOTO, **{field: mask()}))
    assert sent.status == 200, sent.error
    assert sent.body == Path("out", "photo.png").read_bytes() != client.ask(ASKED, PHOTO).body
    record = json.loads(sent.headers["restorekit-record"])
    assert record["masks"] == {name: f"{field}.png"} and record.get("feather", 0) == feather


def test_several_masks_go_together_and_their_order_in_the_form_is_no_matter(client):
    first = client.ask(ASKED, *form(PHOTO, **{"mask.noise": mask(), "mask.rain": mask(left=0, right=255)}))
    second = client.ask(
        ASKED, *form(mask(), "x.png", "mask.noise", photo=PHOTO, **{"mask.rain": mask(SIZE, 0, 255)})
    )
    assert first.status == second.status == 200 and first.body == second.body


@pytest.mark.parametrize(
    ("path", "files", "status", "said"),
    [
        (ASKED, {"mask": mask((20, 18))}, 422, "scale it to the picture"),
        (ASKED, {"mask": mask((200, 101))}, 413, "mask.png has 0.0202 million pixels"),
        (ASKED, {"mask": b"no picture"}, 415, "mask.png"),
        (ASKED, {"mask": mask()[:-30]}, 422, "mask"),
        (ASKED, {"mask.nose": mask()}, 422, "did you mean noise"),
        (ASKED, {"second": PHOTO}, 422, "the form has 2 pictures"),
        (ASKED, {f"mask.{i}": mask() for i in range(9)}, 422, "too many files"),
        ("/inspect", {"mask": mask()}, 422, "no masks"),
        (f"{ASKED}&feather=3", {}, 422, "send one"),
        (f"{ASKED}&feather=999", {"mask": mask()}, 422, "feather"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(client, path, files, status, said):
    reply = client.ask(path, *form(PHOTO, **files))
    assert reply.status == status and said in reply.error.replace("Too", "too")
    assert "restorekit-" not in reply.error and "--" not in reply.error
    assert client.inside() == 0


def test_a_mask_alone_is_no_picture_and_one_twice_is_refused(client):
    alone = client.ask(ASKED, *form(mask(), field="mask"))
    assert alone.status == 422 and "has no pictures" in alone.error
    body, headers = form(PHOTO, mask=mask())
    again = form(mask(), "m.png", "mask")[0]
    twice = client.ask(ASKED, body.replace(b"--=b--\r\n", b"") + again, headers)
    assert twice.status == 422 and "'mask' twice" in twice.error


def test_the_page_tells_of_masks(client):
    schema = client.ask("/openapi.json").json["paths"]
    sent = {
        p: schema[p]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        for p in ("/restore", "/inspect")
    }
    assert set(sent["/restore"]["properties"]) == {"file", "mask"} and set(sent["/inspect"]["properties"]) == {
        "file"
    }
    assert "mask.noise" in client.ask("/").body.decode()
