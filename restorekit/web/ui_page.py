"""The page: its parts, and what happens when one is touched.

    file -> sheet -> sliders;  slider, point, mask -> a piece at its own size;  button -> a file

This file is made of Gradio; `restorekit.web.ui` imports it when a page is asked for.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from restorekit.errors import RestorekitError
from restorekit.files import EXTENSIONS
from restorekit.web import ui_views as views
from restorekit.web.ui_desk import OVERVIEW, Desk
from restorekit.web.ui_example import ByExample
from restorekit.web.ui_look import LookControls
from restorekit.web.ui_parts import NO_PROGRESS, ONE, QUIET, SCALES, presets_of
from restorekit.web.ui_pieces import data_uri
from restorekit.web.ui_values import Mask, Order, Sheet, mask_of
from restorekit.weighing import Wish
from restorekit.work.uploads import StoppedError

__all__ = ["OnePicture"]

AT_ONCE = 2**20  # pixels up to which the whole picture is restored whenever a control is let go
ALONE, SPARED = "restore it alone", "leave it as it is"
CENTRE = (0.5, 0.5)


@dataclass(frozen=True)
class Visit:
    """A person's picture, as the page keeps it between two events.

    sheet: the picture.
    folder: place of files that are made of it.
    overview: address of the reduced picture.
    point: middle of the piece that is looked at.
    mask: painted part.
    done: the order whose result can be downloaded.
    """

    sheet: Sheet
    folder: Path
    overview: str
    point: tuple[float, float] = CENTRE
    mask: Mask | None = None
    done: Order | None = None


class OnePicture:
    """The part of the page that restores one picture; made within a `gr.Blocks`.

    desk: does the work.
    root: folder for files.
    """

    def __init__(self, desk: Desk, root: Path) -> None:
        self.desk, self.root, self.bases = desk, root, desk.restorer.bases
        self.visit = gr.State(None, time_to_live=None, delete_callback=forget)
        with gr.Row():
            with gr.Column(scale=7, min_width=320):
                self.file = gr.File(label="Drop a picture", file_types=[*EXTENSIONS], height=130)
                self.message = gr.HTML(elem_id="message")
                self.lay_out_views()
            with gr.Column(scale=5, min_width=320, visible=False) as self.controls:
                self.lay_out_controls()
        self.wire()

    def lay_out_views(self) -> None:
        """Make what shows the picture."""
        with gr.Column(visible=False) as self.views:
            with gr.Row(equal_height=False, elem_classes="rk-views"):
                self.compare = viewer("compare", "Pixel by pixel", elem_id="compare")
                self.overview = viewer("overview", "Click to look somewhere else", elem_id="overview")
            with gr.Column(visible=False) as self.result:
                self.whole = viewer("compare", "The whole picture", elem_id="whole")

    def lay_out_controls(self) -> None:
        """Make what is moved and pressed."""
        presets = presets_of(self.desk)
        with gr.Group(elem_classes="rk-weights"):
            self.sliders = [
                gr.Slider(
                    0, self.desk.largest[name], 0, step=0.01, label=name, buttons=[], elem_id=f"weight-{name}"
                )
                for name in self.bases
            ]  # fmt: skip
            self.strength = gr.Slider(0, 1, 1, step=0.01, label="Strength of all", buttons=[], elem_id="strength")
        self.again = gr.Button("Back to what was found", size="sm")
        with gr.Row():
            self.run = gr.Button("Restore the whole picture", variant="primary", elem_id="run")
            self.stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
        self.download = gr.DownloadButton("Download", interactive=False, elem_id="download")
        self.command = gr.HTML(elem_id="command")
        self.keep = gr.CheckboxGroup(presets, label="Keep", visible=bool(presets))
        self.scale = gr.Radio(SCALES, value=1, label="Size")
        self.look = LookControls(self.desk)
        self.example = ByExample(self.desk, self.sliders)
        with gr.Accordion("Only a part of it", open=False) as self.painting:
            self.painted = gr.Radio([ALONE, SPARED], value=ALONE, label="What to do with what you paint")
            self.brush = gr.ImageEditor(
                type="numpy",
                image_mode="RGBA",
                sources=(),
                transforms=(),
                layers=False,
                brush=gr.Brush(default_size=30, colors=["#e0218a"], default_color="#e0218a", color_mode="fixed"),
                eraser=gr.Eraser(default_size=30),
                show_label=False,
                buttons=[],
                canvas_size=(OVERVIEW, OVERVIEW),
                elem_id="brush",
            )
        self.strip = gr.Checkbox(False, label="Leave out the metadata (place, time, camera)")

    def wire(self) -> None:
        """Say what happens when something is touched."""
        look, seed = self.look.amount, self.look.seed
        asked = {self.visit, self.keep, self.strength, self.scale, self.strip, look, seed, *self.sliders}
        shown = [self.visit, self.compare, self.overview, self.command, self.download, self.message]
        made = [self.visit, self.whole, self.result, self.download, self.message, self.run, self.stop]
        fresh = [self.visit, self.file, self.controls, self.views, self.result, self.message, self.keep]
        fresh += [self.strength, self.scale, self.brush, self.painting, *self.sliders]
        opened = self.file.upload(self.opened, self.file, fresh, show_progress_on=self.message, **ONE)
        opened.then(self.tried, asked, shown, **QUIET).then(self.finished, asked, made, **QUIET)
        self.file.clear(self.cleared, None, fresh, **QUIET)
        self.overview.select(self.moved, asked, shown, **QUIET, trigger_mode="always_last")
        for slider in (*self.sliders, self.strength, look):
            slider.input(self.tried, asked, shown, **QUIET, trigger_mode="always_last")
            slider.release(self.finished, asked, made, **QUIET, trigger_mode="always_last")
        for other in (self.scale, self.strip, seed):
            tried = other.input(self.tried, asked, shown, **QUIET, trigger_mode="always_last")
            tried.then(self.finished, asked, made, **QUIET)
        places = [self.keep, self.strength, *self.sliders]
        for moved in (
            self.keep.input(self.kept, [self.visit, self.keep], places, **QUIET),
            self.again.click(self.kept, [self.visit], places, **QUIET),
            self.brush.change(self.masked, [self.visit, self.brush, self.painted], [self.visit], **QUIET),
            self.painted.input(self.masked, [self.visit, self.brush, self.painted], [self.visit], **QUIET),
        ):
            moved.then(self.tried, asked, shown, **QUIET).then(self.finished, asked, made, **QUIET)
        self.example.wire(
            lambda moved: moved.then(self.tried, asked, shown, **QUIET).then(self.finished, asked, made, **QUIET)
        )
        self.painting.expand(self.canvas, [self.visit, self.brush], [self.brush], **QUIET)
        started = self.run.click(self.started, None, [self.run, self.stop], queue=False, api_visibility="private")
        started.then(self.restored, asked, made, show_progress_on=self.message, **ONE)
        self.stop.click(self.stopped, [self.visit], None, queue=False, api_visibility="private")

    def order(self, asked: Mapping[Any, Any]) -> tuple[Visit, Order]:
        """The picture, and the order that the controls say."""
        visit = asked[self.visit]
        weights = {name: asked[slider] for name, slider in zip(self.bases, self.sliders, strict=True)}
        wish = self.desk.wish(visit.sheet, weights, asked[self.keep], asked[self.strength])
        order = Order(wish=wish, scale=asked[self.scale], mask=visit.mask, strip=asked[self.strip])
        return visit, replace(order, look=asked[self.look.amount], seed=int(asked[self.look.seed] or 0))

    def opened(self, path: str | None) -> Any:
        """Take a file in: what is found in it becomes the places of the sliders."""
        if path is None:
            return self.cleared()
        try:
            sheet = self.desk.open(Path(path))
        except RestorekitError as problem:
            return {**self.cleared(), self.message: views.error(problem)}
        visit = Visit(sheet, Path(tempfile.mkdtemp(dir=self.root)), data_uri(self.desk.overview(sheet)))
        return {
            self.visit: visit,
            self.controls: gr.Column(visible=True),
            self.views: gr.Column(visible=True),
            self.result: gr.Column(visible=False),
            self.scale: 1,
            self.brush: None,
            self.painting: gr.Accordion(open=False),
            self.message: views.note(views.facts(sheet), *sheet.notes, *self.desk.missing),
            **self.kept(visit),
        }

    def cleared(self) -> dict[Any, Any]:
        """Put the picture away."""
        hidden = gr.Column(visible=False)
        return {self.visit: None, self.file: None, self.controls: hidden, self.views: hidden, self.message: ""}

    def kept(self, visit: Visit | None, keep: Sequence[str] = ()) -> Any:
        """Put the sliders where the picture and the presets say."""
        if visit is None:
            return gr.skip()
        sheet, catalog = visit.sheet, self.desk.restorer.catalog
        weights = self.desk.weights(sheet, Wish(keep=tuple(keep))).values
        places = {
            slider: gr.Slider(value=round(weights[name], 2), label=views.labelled(name, sheet, catalog))
            for name, slider in zip(self.bases, self.sliders, strict=True)
        }
        return {self.keep: list(keep), self.strength: 1, **places}

    def tried(self, asked: dict[Any, Any]) -> Any:
        """Restore the piece that is looked at."""
        if asked[self.visit] is None:
            return gr.skip()
        try:
            visit, order = self.order(asked)
            trial = self.desk.try_out(visit.sheet, order, visit.point)
        except Exception as problem:
            return {self.message: views.error(self.desk.said(problem, asked[self.visit].sheet.path))}
        return {
            self.compare: views.compared(trial),
            self.overview: views.framed(visit.overview, visit.sheet, trial.box),
            self.command: views.command(visit.sheet, order),
            self.download: gr.DownloadButton(interactive=order == visit.done),
        }

    def moved(self, asked: dict[Any, Any], event: gr.EventData) -> Any:
        """Look at another place."""
        if asked[self.visit] is None:
            return gr.skip()
        visit = replace(asked[self.visit], point=(float(event.x), float(event.y)))
        return {self.visit: visit, **self.tried({**asked, self.visit: visit})}

    def finished(self, asked: dict[Any, Any]) -> Any:
        """Restore the whole picture if that is a matter of a moment."""
        visit = asked[self.visit]
        if visit is None or visit.sheet.pages > 1 or visit.sheet.pixels * asked[self.scale] ** 2 > AT_ONCE:
            return gr.skip()
        return self.restored(asked)

    def started(self) -> Any:
        """Show that the work has begun."""
        return {self.run: gr.Button(interactive=False), self.stop: gr.Button(visible=True)}

    def stopped(self, visit: Visit | None) -> None:
        """Let the work on the whole picture end."""
        if visit is not None:
            visit.sheet.stop.set()

    def restored(self, asked: dict[Any, Any], progress: gr.Progress = NO_PROGRESS) -> Any:
        """Restore the whole picture, as a file to download."""
        rest = {self.run: gr.Button(interactive=True), self.stop: gr.Button(visible=False)}
        visit = asked[self.visit]
        if visit is None:
            return rest
        try:
            _, order = self.order(asked)
            if order == visit.done:
                return rest
            result = self.desk.restore(
                visit.sheet, order, visit.folder, lambda done, total: progress((done, total), unit="pieces")
            )
        except StoppedError:
            return {self.message: views.note("Stopped: nothing was written."), **rest}
        except Exception as problem:
            return {self.message: views.error(self.desk.said(problem, visit.sheet.path)), **rest}
        whole = None if result.view is None else views.compared(result.view, fit=True)
        assert result.path is not None
        label = f"Download {result.path.name} ({result.path.stat().st_size / 1e6:.1f} MB)"
        return {
            self.visit: replace(visit, done=order),
            self.whole: whole,
            self.result: gr.Column(visible=whole is not None),
            self.download: gr.DownloadButton(label, value=str(result.path), interactive=True),
            self.message: views.note(views.facts(visit.sheet), *result.lines),
            **rest,
        }

    def canvas(self, visit: Visit | None, brush: dict[str, Any] | None) -> Any:
        """Give the brush the picture to paint on, when it is first shown."""
        if visit is None or (brush and brush.get("background") is not None):
            return gr.skip()
        path = visit.folder / "overview.png"
        views.save(self.desk.overview(visit.sheet), path)
        return {"background": str(path), "layers": [], "composite": None}

    def masked(self, visit: Visit | None, brush: dict[str, Any] | None, painted: str) -> Any:
        """Take what was painted for a mask."""
        if visit is None:
            return gr.skip()
        layers = [layer[..., 3] for layer in (brush or {}).get("layers", ())]
        return replace(visit, mask=mask_of(layers, spared=painted == SPARED))


def viewer(kind: str, caption: str, **place: Any) -> gr.HTML:
    """One of the page's own parts. kind: name of its files."""
    template = f'<p class="rk-caption">{caption}</p>{views.asset(f"{kind}.html")}'
    return gr.HTML(html_template=template, js_on_load=views.asset(f"{kind}.js"), container=True, **place)


def forget(visit: Visit | None) -> None:
    """Remove the files of somebody who has gone."""
    if visit is not None:
        shutil.rmtree(visit.folder, ignore_errors=True)
