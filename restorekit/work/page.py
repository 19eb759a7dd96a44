"""One self-contained HTML page about a restored picture: it fetches nothing, and its policy forbids it to."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Basis", "Explanation", "Slider", "to_html"]

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --paper: #fbfbf9; --soft: #6b6b70; --line: #d9d9d4;
  --bar: #2f6fb0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececea; --paper: #19191b; --soft: #a0a0a6; --line: #3a3a3e; --bar: #6aa5e0; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.soft, figcaption { color: var(--soft); font-size: .9rem; }
.slider { position: relative; display: inline-block; max-width: 100%; --at: 50%; touch-action: pan-y; }
.slider img { display: block; max-width: 100%; height: auto; }
.slider .after { position: absolute; inset: 0; width: 100%; height: 100%; clip-path: inset(0 0 0 var(--at)); }
.slider .rule { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px;
  background: #fff; box-shadow: 0 0 3px #000; pointer-events: none; }
.slider input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; }
.slider:focus-within .rule { width: 4px; margin-left: -2px; }
.slider .name { position: absolute; top: .5rem; padding: 0 .5rem; border-radius: 4px; color: #fff;
  background: #0009; font-size: .8rem; pointer-events: none; }
.slider .name.right { right: .5rem; } .slider .name.left { left: .5rem; }
table { border-collapse: collapse; } th, td { padding: .3rem 1rem .3rem 0; text-align: left;
  border-bottom: 1px solid var(--line); }
.bar { display: inline-block; width: 8rem; height: .6rem; background: var(--line); border-radius: 3px; }
.bar i { display: block; height: 100%; background: var(--bar); border-radius: 3px; }
.taken { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figure img { max-width: 100%; height: auto; }
pre { padding: .8rem; border: 1px solid var(--line); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
pre span { display: inline-block; max-width: 100%; }
"""
SCRIPT = """
for (const box of document.querySelectorAll('.slider')) {
  const input = box.querySelector('input');
  const move = () => box.style.setProperty('--at', input.value + '%');
  input.addEventListener('input', move); move();
}
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
TAKEN = (
    "Each basis alone, at its weight: the part before less the part after, around middle grey, amplified as it "
    "says. Together they do not add up exactly: the network is not linear."
)
TYPES = {b"\x89PNG": "image/png", b"RIFF": "image/webp", b"\xff\xd8\xff": "image/jpeg"}


@dataclass(frozen=True)
class Slider:
    """One picture before and after, as files' bytes.

    title: above it.
    size: width and height at which it is shown, px.
    """

    title: str
    before: bytes
    after: bytes
    size: tuple[int, int]


@dataclass(frozen=True)
class Basis:
    """One basis in one picture.

    severity: in words; empty where none was found.
    taken: the difference that it makes alone, as a file's bytes; empty where its weight is 0.
    amplified: times by which the difference is shown larger.
    """

    name: str
    weight: float
    severity: str = ""
    taken: bytes = b""
    amplified: int = 1


@dataclass(frozen=True)
class Explanation:
    """Everything that the page says.

    title: name of the picture.
    sliders: the picture before and after, as a whole and in part.
    bases: all of them, in the order of the page.
    commands: a line about each, and its words, quoted for a shell.
    notes, facts: a line each.
    """

    title: str
    sliders: Sequence[Slider]
    bases: Sequence[Basis]
    commands: Sequence[tuple[str, Sequence[str]]]
    notes: Sequence[str] = ()
    facts: Sequence[str] = ()


def to_html(explanation: Explanation) -> str:
    """The page."""
    title = html.escape(explanation.title)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title} restored</title><style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        *(f'<p class="soft">{html.escape(note)}</p>' for note in explanation.notes),
    ]
    for slider in explanation.sliders:
        parts += [f"<h2>{html.escape(slider.title)}</h2>", slider_html(slider)]
    parts += ["<h2>Weights</h2>", weights_html(explanation.bases)]
    if taken := [basis for basis in explanation.bases if basis.taken]:
        parts += ["<h2>What each basis took away</h2>", f'<p class="soft">{TAKEN}</p>', '<div class="taken">']
        parts += [*map(figure, taken), "</div>"]
    parts.append("<h2>Do it again</h2>")
    for what, command in explanation.commands:
        words = " ".join(f"<span>{html.escape(word)}</span>" for word in command)
        parts += [f'<p class="soft">{html.escape(what)}</p>', f"<pre>{words}</pre>"]
    parts += ["<ul>", *(f"<li>{html.escape(fact)}</li>" for fact in explanation.facts), "</ul>"]
    return "\n".join([*parts, f"<script>{SCRIPT}</script></body></html>", ""])


def figure(basis: Basis) -> str:
    """The difference that one basis makes, with a line below it."""
    name = html.escape(basis.name)
    words = f"{name}, weight {basis.weight:.2f}, {loudness(basis)}"
    picture = f'<img alt="what {name} took away" src="{data_uri(basis.taken)}">'
    return f"<figure>{picture}<figcaption>{words}</figcaption></figure>"


def loudness(basis: Basis) -> str:
    """Words on the amplification of a difference."""
    return "as large as it is" if basis.amplified == 1 else f"amplified {basis.amplified} times"


def slider_html(slider: Slider) -> str:
    """Two pictures, one over the other, the upper one cut off where the slider is."""
    width, height = slider.size
    size = f'width="{width}" height="{height}"'
    return (
        f'<div class="slider"><img class="before" alt="before" {size} src="{data_uri(slider.before)}">'
        f'<img class="after" alt="after" src="{data_uri(slider.after)}">'
        '<span class="rule"></span><span class="name left">before</span><span class="name right">after</span>'
        f'<input type="range" min="0" max="100" step="0.1" value="50" '
        f'aria-label="{html.escape(slider.title)}: before and after"></div>'
    )


def weights_html(bases: Sequence[Basis]) -> str:
    """The table of weights and severities."""
    rows = ["<table><tr><th>basis</th><th>weight</th><th></th><th>severity</th></tr>"]
    for basis in bases:
        share = 100 * min(1.0, basis.weight)
        bar = f'<span class="bar"><i style="width:{share:.0f}%"></i></span>'
        cells = (html.escape(basis.name), f"{basis.weight:.2f}", bar, html.escape(basis.severity))
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "\n".join([*rows, "</table>"])


def data_uri(data: bytes) -> str:
    """A picture as an address that holds it."""
    kind = next(kind for start, kind in TYPES.items() if data.startswith(start))
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
