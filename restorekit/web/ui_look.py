"""Controls of the look, which both halves of the page have; hidden where no look is installed."""

from __future__ import annotations

import gradio as gr

from restorekit.web.ui_desk import Desk

__all__ = ["LookControls"]


class LookControls:
    """A slider for the look and a number for its seed; made within a `gr.Blocks`.

    mark: ending of their names in the page.
    """

    def __init__(self, desk: Desk, mark: str = "") -> None:
        there = bool(desk.restorer.looks.names)
        with gr.Row(visible=there):
            self.amount = gr.Slider(
                0,
                1,
                0,
                step=0.01,
                label="Look, for the eye",
                buttons=[],
                scale=3,
                elem_id=f"look{mark}",
            )
            self.seed = gr.Number(0, precision=0, label="Its seed", elem_id=f"seed{mark}", scale=1, min_width=90)
