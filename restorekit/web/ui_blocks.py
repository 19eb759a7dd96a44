"""The page as a whole: its look, its halves, and the server that Gradio makes of it."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from restorekit.errors import RestorekitError
from restorekit.web.serve_service import LOOPBACK, Limits
from restorekit.web.ui_batch import SeveralPictures
from restorekit.web.ui_desk import Desk
from restorekit.web.ui_page import OnePicture
from restorekit.web.ui_views import asset

__all__ = ["Page"]

AGE = 3 * 3600  # seconds after which files are put away
FONT = ["system-ui", "sans-serif"]  # of the reader's own machine
MONO = ["ui-monospace", "monospace"]
HEAD = (
    '<div class="rk-head"><h1>restorekit</h1><p>Removes noise, blur, rain and JPEG artefacts; '
    "nothing leaves this machine.</p></div>"
)


class Page:
    """The page of a desk.

    root: folder for files.
    limits: on memory and disk.
    """

    def __init__(self, desk: Desk, root: Path, limits: Limits) -> None:
        self.limits = limits
        with gr.Blocks(
            title="restorekit", analytics_enabled=False, delete_cache=(AGE // 4, AGE), fill_width=True
        ) as self.blocks:
            gr.HTML(HEAD)
            with gr.Tab("One picture"):
                OnePicture(desk, root)
            with gr.Tab("Several pictures"):
                SeveralPictures(desk, root)
        self.blocks.queue(max_size=limits.waiting, default_concurrency_limit=1, api_open=False)

    def listen(self, host: str, port: int, browser: bool) -> str:
        """Begin to listen; gives the address."""
        hosts = [*LOOPBACK, f"[{LOOPBACK[-1]}]"] if host in LOOPBACK else ["*"]
        guard = Middleware(TrustedHostMiddleware, allowed_hosts=hosts)
        try:
            _, address, _ = self.blocks.launch(
                server_name=host,
                server_port=port,
                inbrowser=browser,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                ssr_mode=False,
                pwa=False,
                run_history=False,
                enable_monitoring=False,
                mcp_server=False,
                footer_links=[],
                max_file_size=self.limits.size,
                state_session_capacity=200,
                app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None, "openapi_url": None},
                theme=theme(),
                css=asset("page.css"),
            )
        except OSError as error:
            raise RestorekitError(
                f"cannot listen on {host}:{port}: {error}; choose another --host or --port"
            ) from error
        return str(address)

    def close(self) -> None:
        """Stop listening."""
        self.blocks.close(verbose=False)


def theme() -> gr.themes.Base:
    """Colours and fonts: quiet, so that the picture is what is seen; text with a contrast of 4.5 and more."""
    look = gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=FONT, font_mono=MONO)
    return look.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_800",
        block_title_text_color_dark="*neutral_100",
        checkbox_border_color="*neutral_400",
        checkbox_border_color_dark="*neutral_400",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )
