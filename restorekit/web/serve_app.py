"""The server's addresses: `POST /restore`, `POST /inspect`, `GET /health`, and a page about them.

    request -> a place in the queue -> its body on disk -> a thread with the one restorer -> the answer

This file is made of FastAPI; `restorekit.web.serve` imports it when a server is asked for.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from restorekit import __version__
from restorekit.errors import RestorekitError
from restorekit.files import FORMATS
from restorekit.running.device import auto_tile, name_of_precision
from restorekit.web.serve_body import Body
from restorekit.web.serve_guard import Guard
from restorekit.web.serve_page import POLICY, page
from restorekit.web.serve_places import GoneError, Places
from restorekit.web.serve_refusals import Refusal, refusal_of
from restorekit.web.serve_service import Service
from restorekit.web.serve_wishes import Wishes
from restorekit.work.setup import fingerprint
from restorekit.work.uploads import Product, StoppedError, Upload, inspect_upload, restore_upload

__all__ = ["RECORD", "make_app"]

RECORD = "Restorekit-Record"  # header with the findings, as JSON
LONGEST = 6000  # characters of it; some clients take no more than 8 kB
MEDIA = {name: f"image/{name.lower()}" for name in FORMATS.values()} | {"HEIF": "image/heic"}
PICTURE = {"type": "string", "format": "binary", "description": "The picture."}
MASK = PICTURE | {
    "description": "White where to restore, black where not, grey for a part; of the picture's size."
}


def body_of(**files: Any) -> dict[str, Any]:
    """Description of a request that sends a picture, in a form with these files beside it."""
    schema = {"type": "object", "required": ["file"], "properties": {"file": PICTURE, **files}}
    content = {"multipart/form-data": {"schema": schema}, "image/*": {"schema": PICTURE}}
    return {"requestBody": {"required": True, "content": content}}


T = TypeVar("T")


def answers(found: str, content: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Descriptions of the answers of an address that takes a picture."""
    error = {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
    refused = {
        413: "The picture has too many bytes or pixels.",
        415: "The body is no picture of a kind that is read.",
        422: "The picture is damaged, or an option makes no sense.",
        503: "The queue is full; Retry-After says in how many seconds to try again.",
    }
    said: dict[int | str, dict[str, Any]] = {200: {"description": found, "content": content}}
    return said | {code: {"description": text, "content": error} for code, text in refused.items()}


def make_app(service: Service) -> FastAPI:
    """The application, to be run by any ASGI server.

    service: the restorer, its limits, and who may ask.
    """
    limits, restorer = service.limits, service.restorer
    places = Places(limits.at_once, limits.waiting)
    largest_tile = auto_tile(restorer.device)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        places.close()

    app = FastAPI(
        title="restorekit",
        version=__version__,
        description="Restores degraded photographs. Pictures are kept for as long as they are worked on only.",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )

    async def done(request: Request, prepare: Callable[[], Callable[[Upload, Event], T]]) -> T:
        """Take a picture in and do a task with it. prepare: makes the task, before the picture comes."""
        body, begun = Body(request, limits.size, limits.pixels), time.monotonic()
        try:
            try:
                task = prepare()
                body.check_length()
                with places.entered(), tempfile.TemporaryDirectory(prefix="restorekit-") as folder:
                    upload = await body.save(Path(folder) / "upload")
                    result = await places.work(lambda stop: task(upload, stop), body.left)
            except RestorekitError as error:
                raise refusal_of(error) from error
        except Refusal as refusal:
            service.say(f"{request.url.path} {refusal.status}: {refusal.text}")
            await body.drain()
            raise
        except GoneError:
            service.say(f"{request.url.path}: the client went away")
            raise
        service.say(f"{request.url.path} 200: {upload.name}, {time.monotonic() - begun:.1f} s")
        return result

    @app.post(
        "/restore",
        response_class=Response,
        openapi_extra=body_of(mask=MASK),
        responses=answers("The restored picture, or JSON.", {"image/*": {"schema": PICTURE}}),
    )
    async def restore(request: Request, wishes: Annotated[Wishes, Query()]) -> Response:
        """Restore the picture that is sent, as the field `file` of a form or as the body itself. Depth, colour
        profile, transparency and metadata are kept, as by `restorekit restore`. A form may hold a mask too, as the
        field `mask`, and those of single bases, such as `mask.noise`."""

        def prepare() -> Callable[[Upload, Event], Product]:
            options, ending = wishes.options(restorer.catalog, largest_tile), wishes.ending

            def task(upload: Upload, stop: Event) -> Product:
                def progress(done: int, total: int) -> None:
                    if stop.is_set():
                        raise StoppedError

                return restore_upload(
                    restorer, upload, options, ending=ending, missing=service.missing, progress=progress
                )

            return task

        product = await done(request, prepare)
        if wishes.answer == "json":
            picture = base64.b64encode(product.data).decode()
            return JSONResponse({**product.record, "format": product.format, "picture": picture})
        headers = {
            RECORD: in_a_header(product.record),
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(named(product))}",
        }
        return Response(product.data, media_type=MEDIA[product.format], headers=headers)

    @app.post(
        "/inspect", openapi_extra=body_of(), responses=answers("Weights and severities.", {"application/json": {}})
    )
    async def inspect(request: Request) -> dict[str, Any]:
        """Tell what the picture that is sent suffers from: the weight of each basis, and the severity of what it
        would remove. The picture is not changed."""

        def prepare() -> Callable[[Upload, Event], dict[str, Any]]:
            if request.query_params:
                names = ", ".join(request.query_params)
                raise Refusal(422, f"an inspection has no options, got {names}; leave them out")
            return lambda upload, stop: inspect_upload(restorer, upload, missing=service.missing)

        return await done(request, prepare)

    @app.get("/health", responses={200: {"description": "The server's state."}})
    async def health() -> dict[str, Any]:
        """Tell that the server is up, what it restores with, and how busy it is."""
        return {
            "status": "ok",
            "version": __version__,
            "model": restorer.catalog.model.name,
            "fingerprint": fingerprint(restorer),
            "bases": list(restorer.bases),
            "missing": list(service.missing),
            "device": str(restorer.device),
            "precision": name_of_precision(restorer.dtype),
            "inside": places.inside,
            "at_once": limits.at_once,
            "waiting": limits.waiting,
            "max_bytes": limits.size,
            "max_pixels": limits.pixels,
        }

    @app.get("/", include_in_schema=False)
    async def about(request: Request) -> HTMLResponse:
        text = page(app.openapi(), str(request.base_url).rstrip("/"))
        return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})

    handle_errors(app)
    app.add_middleware(Guard, hosts=service.hosts, origins=service.origins)
    if service.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=service.origins, allow_methods=["GET", "POST"], expose_headers=[RECORD]
        )
    return app


def handle_errors(app: FastAPI) -> None:
    """Make every error of an application one sentence in JSON."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        headers = {} if refusal.after is None else {"Retry-After": str(refusal.after)}
        return JSONResponse({"error": refusal.text}, refusal.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        await Body(request, 0).drain()
        return JSONResponse({"error": in_one_sentence(error)}, 422)

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: HTTPException) -> Response:
        there = "there are POST /restore, POST /inspect and GET /health"
        text = f"{request.method} {request.url.path}: {str(error.detail).lower()}; {there}"
        return JSONResponse({"error": text}, error.status_code, error.headers)

    @app.exception_handler(GoneError)
    async def gone(request: Request, error: GoneError) -> Response:
        return Response(status_code=499)  # which nobody reads

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        kind = type(error).__name__
        return JSONResponse({"error": f"{kind}: this is a fault in the program, please report it"}, 500)


def in_one_sentence(error: RequestValidationError) -> str:
    """One sentence on the option that is wrong, with its remedy."""
    first = error.errors()[0]
    name = str(first["loc"][-1])
    if first["type"] == "extra_forbidden":
        return f"there is no option {name}; there are {', '.join(Wishes.model_fields)}"
    return f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}, got {first['input']!r}"


def in_a_header(record: Mapping[str, Any]) -> str:
    """The findings as JSON in ASCII; without those of further pages, and without notes where they are too many."""
    short = {key: value for key, value in record.items() if key != "pages"}
    text = json.dumps(short)
    return text if len(text) <= LONGEST else json.dumps({**short, "notes": []})


def named(product: Product) -> str:
    """A name for the restored file."""
    ending = next(ending for ending, format in FORMATS.items() if format == product.format)
    return f"{Path(product.record['input']).stem}.restored{ending}"
