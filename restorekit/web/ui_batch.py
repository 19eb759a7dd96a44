"""The part of the page that restores several files: each by what the encoder sees in it, all by the same wish."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr

from restorekit.files import EXTENSIONS
from restorekit.web import ui_views as views
from restorekit.web.ui_desk import Desk, Order
from restorekit.web.ui_look import LookControls
from restorekit.web.ui_parts import NO_PROGRESS, ONE, SCALES, presets_of
from restorekit.weighing import Wish

__all__ = ["SeveralPictures"]


class SeveralPictures:
    """The part of the page that restores several files; made within a `gr.Blocks`. Arguments as there."""

    def __init__(self, desk: Desk, root: Path) -> None:
        self.desk, self.root = desk, root
        presets = presets_of(desk)
        with gr.Row():
            with gr.Column(scale=7, min_width=320):
                self.files = gr.File(
                    label="Drop pictures",
                    file_count="multiple",
                    file_types=[*EXTENSIONS],
                    height=220,
                    elem_id="pictures",
                )
                self.message = gr.HTML(elem_id="outcomes")
                self.results = gr.File(label="Restored", file_count="multiple", interactive=False, visible=False)
            with gr.Column(scale=5, min_width=320):
                gr.HTML("<p class='rk-caption'>Each picture is looked at, and gets the weights that it needs.</p>")
                self.keep = gr.CheckboxGroup(presets, label="Keep", visible=bool(presets))
                self.strength = gr.Slider(
                    0, 1, 1, step=0.01, label="Strength of all", buttons=[], elem_id="strength-of-all"
                )
                self.look = LookControls(desk, "-of-all")
                self.scale = gr.Radio(SCALES, value=1, label="Size")
                self.strip = gr.Checkbox(False, label="Leave out the metadata (place, time, camera)")
                self.run = gr.Button("Restore all of them", variant="primary", elem_id="run-all")
                self.archive = gr.DownloadButton("Download all", visible=False, elem_id="archive")
        asked = [self.files, self.keep, self.strength, self.scale, self.strip, self.look.amount, self.look.seed]
        self.run.click(
            self.restored, asked, [self.message, self.results, self.archive], show_progress_on=self.message, **ONE
        )

    def restored(
        self,
        files: list[str] | None,
        keep: list[str],
        strength: float,
        scale: int,
        strip: bool,
        look: float,
        seed: float | None,
        progress: gr.Progress = NO_PROGRESS,
    ) -> Any:
        """Restore the files, and pack those that came out."""
        if not files:
            return {self.message: views.error("there is no picture; drop some first")}
        folder = Path(tempfile.mkdtemp(dir=self.root))
        wish = Wish(keep=tuple(keep), strength=strength)
        order = Order(wish=wish, scale=scale, strip=strip, look=look, seed=int(seed or 0))
        outcomes = self.desk.restore_all(
            [Path(file) for file in files],
            order,
            folder,
            lambda done, total: progress((done, total), unit="pictures"),
        )
        made = [outcome.path for outcome in outcomes if outcome.path is not None]
        archive = folder / "restored.zip"
        if len(made) > 1:
            with zipfile.ZipFile(archive, "w") as packed:  # pictures are compressed already
                for path in made:
                    packed.write(path, path.name)
        return {
            self.message: views.outcomes(outcomes),
            self.results: gr.File(value=[str(path) for path in made] or None, visible=bool(made)),
            self.archive: gr.DownloadButton(value=str(archive) if len(made) > 1 else None, visible=len(made) > 1),
        }
