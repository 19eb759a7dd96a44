"""The page about the addresses, drawn from their OpenAPI description: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

__all__ = ["POLICY", "page"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { padding: .75rem; border: 1px solid #8888; border-radius: .4rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #8884; }
form { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; }
"""


def page(schema: Mapping[str, Any], address: str) -> str:
    """The page as HTML.

    schema: the OpenAPI description.
    address: of the server, such as "http://localhost:7000".
    """
    parts = [f"<h1>{escape(schema['info']['title'])} {escape(schema['info']['version'])}</h1>"]
    parts.append(f"<p>{escape(schema['info']['description'])}</p>")
    parts.append(FORM)
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            parts += endpoint(path, method.upper(), said, address)
    parts.append('<p>For programs: <a href="openapi.json">openapi.json</a>.</p>')
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>restorekit</title>'
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>{body}</body></html>\n'
    )


FORM = """<form method="post" enctype="multipart/form-data" action="restore">
<label>A picture <input type="file" name="file" required></label>
<button>Restore</button> <button formaction="inspect">Inspect</button></form>"""


def endpoint(path: str, method: str, said: Mapping[str, Any], address: str) -> list[str]:
    """One address: summary, example, options, answers."""
    parts = [f"<h2><code>{method} {escape(path)}</code></h2>", f"<p>{escape(said.get('description', ''))}</p>"]
    if method == "POST":
        out = " -o restored.jpg" if path == "/restore" else ""
        parts.append(f"<pre>curl -F file=@photo.jpg {escape(address + path)}{out}</pre>")
    else:
        parts.append(f"<pre>curl {escape(address + path)}</pre>")
    if options := said.get("parameters"):
        parts += ["<table><tr><th>option</th><th>default</th><th></th></tr>"]
        for option in options:
            default = option["schema"].get("default", "")
            shown = "" if default in ([], None) else str(default).lower() if default in (True, False) else default
            cells = (f"<code>{escape(option['name'])}</code>", escape(str(shown)), escape(option["description"]))
            parts.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        parts.append("</table>")
    answers = [
        f"<tr><td>{code}</td><td>{escape(a['description'])}</td></tr>" for code, a in said["responses"].items()
    ]
    return [*parts, "<table><tr><th>answer</th><th></th></tr>", *answers, "</table>"]
