"""Parts that both halves of the page have: how their events queue, and the choices they offer."""

from __future__ import annotations

from typing import Any

import gradio as gr

from restorekit.web.ui_desk import Desk

__all__ = ["NO_PROGRESS", "ONE", "QUIET", "SCALES", "presets_of"]

SCALES = [("as it is", 1), ("2 times", 2), ("3 times", 3), ("4 times", 4)]
ONE: dict[str, Any] = {"concurrency_id": "restorer", "concurrency_limit": 1, "api_visibility": "private"}
QUIET: dict[str, Any] = {**ONE, "show_progress": "hidden"}
NO_PROGRESS = gr.Progress()  # Gradio's way to say that a function wants one


def presets_of(desk: Desk) -> list[tuple[str, str]]:
    """Label and name of each preset."""
    return [(f"{name}: {preset.summary}", name) for name, preset in sorted(desk.presets.items())]
