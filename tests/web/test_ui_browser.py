"""The page in a real browser: Debian's chromium, driven by playwright. Skipped where one of them is absent."""

from __future__ import annotations

import shutil
import socket
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ExifTags, Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytest.importorskip("gradio", reason="needs gradio: pip install 'restorekit[web]'")
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
if CHROMIUM is None:
    pytest.skip("needs a browser: apt-get install chromium", allow_module_level=True)

PATIENCE = 120_000  # milliseconds
MASKED = "document.querySelector('#command').innerText.includes('--mask')"
AFTER, WHOLE = "#compare .rk-after", "#whole .rk-after"


@pytest.fixture(scope="module")
def address(weights_folder: Path) -> Iterator[str]:
    """The page on loopback, with tiny weights."""
    from restorekit.running.restorer import Restorer
    from restorekit.web.serve_service import Limits
    from restorekit.web.ui import offered
    from restorekit.work import Options

    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RESTOREKIT_WEIGHTS", str(weights_folder))
        restorer = Restorer.from_pretrained(device="cpu", precision="fp32")
        options, limits = Options(device="cpu", precision="fp32"), Limits(pixels=100_000)
        with offered(restorer, options, host="127.0.0.1", port=port, limits=limits) as address:
            yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser, address) -> Iterator[Any]:
    """The page, which may ask nobody but its own server."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE)
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address)
    yield opened
    opened.close()
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not strangers


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Half noise and half grey, with EXIF."""
    torch.manual_seed(0)
    values = (torch.rand(120, 160, 3) * 255).to(torch.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    path = tmp_path / "photo.jpg"
    Image.fromarray(values.numpy()).save(path, exif=exif)
    return path


def put(page: Any, *paths: Path, place: str = "") -> None:
    """Drop files onto a place of the page; without a name the first, for one picture."""
    page.locator(f"{place} input[type=file]").first.set_input_files([str(path) for path in paths])


def changed(page: Any, what: str, before: str | None) -> str:
    """Wait until a viewer shows another picture."""
    page.wait_for_function("([q, s]) => document.querySelector(q).src !== s", arg=[what, before])
    return page.get_attribute(what, "src")


def dragged(page: Any, where: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press the mouse, move it and let go; in shares of an element's width and height."""
    where.scroll_into_view_if_needed()
    box = where.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=8)
    page.mouse.up()


def test_a_picture_is_dropped_tried_painted_on_and_downloaded(page, photo, tmp_path):
    put(page, photo)
    page.wait_for_selector("#download:not([disabled])")
    assert "photo.jpg, 160 x 120" in page.inner_text("#message")
    trial, whole = page.get_attribute(AFTER, "src"), page.get_attribute(WHOLE, "src")
    assert trial.startswith("data:image/png") and whole

    # A slider that is moved changes the piece, and, let go, the whole.
    slider = page.locator("#weight-noise input[type=range]")
    share = float(slider.input_value()) / float(slider.get_attribute("max"))
    dragged(page, slider, (share, 0.5), (0.9 if share < 0.5 else 0.1, 0.5))
    trial, whole = changed(page, AFTER, trial), changed(page, WHOLE, whole)
    page.wait_for_function("document.querySelector('#command').innerText.includes('--set noise=')")

    # The slider between before and after moves the line.
    line = page.locator("#compare .rk-range")
    line.fill("20")
    assert "20%" in page.get_attribute("#compare .rk-compare", "style")

    # A preset puts its basis at 0.
    page.get_by_label("rain: Rain stays.").first.check()
    page.wait_for_function("document.querySelector('#weight-rain input[type=range]').value === '0'")
    page.wait_for_function("document.querySelector('#command').innerText.includes('--keep rain')")

    # What is painted is restored alone.
    trial = page.get_attribute(AFTER, "src")
    with page.expect_response(lambda answer: "overview.png" in answer.url):
        page.get_by_text("Only a part of it").click()
    for _ in range(5):  # the canvas draws itself, and does not say when it has
        page.wait_for_timeout(2000)
        dragged(page, page.locator("#brush canvas").first, (0.4, 0.4), (0.6, 0.6))
        with suppress(playwright.TimeoutError):
            page.wait_for_function(MASKED, timeout=20_000)
            break
    page.wait_for_function(MASKED, timeout=1000)
    page.wait_for_selector("#download:not([disabled])")
    with page.expect_download() as coming:
        page.click("#download")
    coming.value.save_as(tmp_path / "got.jpg")
    assert coming.value.suggested_filename == "photo.restored.jpg"
    with Image.open(tmp_path / "got.jpg") as got:
        assert got.size == (160, 120) and got.getexif()[ExifTags.Base.Make] == "Maker"


def test_an_example_moves_the_sliders(page, photo, tmp_path):
    after = tmp_path / "after.png"
    with Image.open(photo) as picture:
        picture.resize((80, 60)).resize(picture.size).save(after)
    put(page, photo)
    page.wait_for_selector("#download:not([disabled])")
    trial = page.get_attribute(AFTER, "src")
    page.get_by_role("button", name="By example").click()
    for name, path in (("before", photo), ("after", after)):
        page.locator(f"#example-{name} input[type=file]").set_input_files(str(path))
    page.get_by_text("after.png").first.wait_for()
    page.click("#match")
    page.wait_for_selector("#matched .rk-note")
    assert "of the change" in page.inner_text("#matched")
    changed(page, AFTER, trial)


def test_what_cannot_be_taken_is_said(page, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    put(page, broken)
    page.wait_for_selector("#message [role=alert]")
    assert "broken.jpg is not an image" in page.inner_text("#message")
    assert str(tmp_path) not in page.inner_text("#message")
    large = tmp_path / "large.png"
    Image.new("L", (400, 300)).save(large)
    put(page, large)
    page.wait_for_function("document.querySelector('#message').innerText.includes('million pixels')")


def test_several_pictures_come_back_in_one_file(page, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    other = tmp_path / "other.png"
    Image.radial_gradient("L").resize((40, 30)).save(other)
    page.get_by_role("tab", name="Several pictures").click()
    put(page, photo, broken, other, place="#pictures")
    page.get_by_text("other.png").first.wait_for()
    page.click("#run-all")
    page.wait_for_selector("#outcomes table")
    told = page.inner_text("#outcomes")
    assert "photo.jpg" in told and "broken.jpg is not an image" in told
    with page.expect_download() as coming:
        page.click("#archive")
    assert zipfile.ZipFile(coming.value.path()).namelist() == ["photo.restored.jpg", "other.restored.png"]


def test_a_look_and_another_seed_are_another_picture(page, photo):
    put(page, photo)
    page.wait_for_selector("#download:not([disabled])")
    trial = page.get_attribute(AFTER, "src")
    dragged(page, page.locator("#look input[type=range]"), (0, 0.5), (0.7, 0.5))
    page.wait_for_function("document.querySelector('#command').innerText.includes('--look 0.')")
    trial = changed(page, AFTER, trial)
    page.locator("#seed input").fill("7")
    page.wait_for_function("document.querySelector('#command').innerText.includes('--seed 7')")
    changed(page, AFTER, trial)
    page.wait_for_function("document.querySelector('#message').innerText.includes('look 0.')")
