"""Weights by example on the page: two pictures, before and after, say what is wanted of the one above."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from restorekit.files import EXTENSIONS
from restorekit.web import ui_views as views
from restorekit.web.ui_desk import Desk
from restorekit.web.ui_parts import ONE

__all__ = ["ByExample"]


class ByExample:
    """The part of the page that finds weights by an example; made within a `gr.Blocks`.

    desk: does the work.
    places: sliders of the bases in order of their names, which it moves.
    """

    def __init__(self, desk: Desk, places: list[gr.Slider]) -> None:
        self.desk, self.places = desk, places
        with gr.Accordion("By example", open=False):
            gr.HTML("<p class='rk-caption'>Two pictures, before and after a change that you like.</p>")
            with gr.Row():
                self.before, self.after = (
                    gr.File(label=word, file_types=[*EXTENSIONS], height=120, elem_id=f"example-{word.lower()}")
                    for word in ("Before", "After")
                )
            self.run = gr.Button("Find the weights of this change", size="sm", elem_id="match")
            self.message = gr.HTML(elem_id="matched")

    def wire(self, then: Callable[[Any], None]) -> None:
        """Say what happens when the button is pressed. then: told of the event that moves the sliders."""
        outputs = [self.message, *self.places]
        then(self.run.click(self.found, [self.before, self.after], outputs, show_progress_on=self.message, **ONE))

    def found(self, before: str | None, after: str | None) -> Any:
        """Put the sliders where the example says."""
        if before is None or after is None:
            return {self.message: views.error("an example has two pictures; drop both")}
        try:
            weights, lines = self.desk.match(Path(before), Path(after))
        except Exception as problem:
            return {self.message: views.error(self.desk.said(problem, Path(before), Path(after)))}
        moved = {
            slider: round(weights[name], 2)
            for name, slider in zip(self.desk.restorer.bases, self.places, strict=True)
        }
        return {self.message: views.note(*lines), **moved}
