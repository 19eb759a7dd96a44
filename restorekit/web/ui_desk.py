"""The desk behind the page: a picture is looked at, tried around a point at its own size, and restored as a file.

    upload -> Sheet;  Sheet, Order, point -> Trial;  Sheet, Order -> Outcome

It has no web in it. Pixels are kept of the last pictures only, so that sessions cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from restorekit.errors import ImageError, RestorekitError
from restorekit.model.basis import LARGEST
from restorekit.model.mixing import Mixture, Recent
from restorekit.web.ui_pieces import bare, box_around, fitted, reduced, restored_name
from restorekit.web.ui_values import Mask, Order, Outcome, Sheet, Trial
from restorekit.weighing import Wish
from restorekit.work.faults import in_one_line
from restorekit.work.jobs import Job
from restorekit.work.listener import Level, Listener, Report
from restorekit.work.pipeline import Pipeline, Restored
from restorekit.work.request import Options
from restorekit.work.streams import write_picture
from restorekit.work.uploads import StoppedError, Upload

if TYPE_CHECKING:
    from restorekit.image import Picture
    from restorekit.running.restorer import Restorer

__all__ = ["OVERVIEW", "SIDE", "Desk"]

SIDE = 384  # px of a trial
STEP = 0.01  # of a slider
OVERVIEW, WHOLE = 720, 1600  # px of the longer side of reduced pictures
KEPT, ROOM = 2, 2**28  # pictures whose pixels are kept, and bytes of those before the newest
Progress = Callable[[int, int], None]


class Desk:
    """One restorer with the pictures that people put before it; used by one thread at a time.

    options: wishes that hold for all pictures.
    most: pixels that a picture may have, also when enlarged; None is any number.
    missing: a line for each basis that could not be used.
    """

    def __init__(
        self, restorer: Restorer, options: Options, *, most: int | None = None, missing: Sequence[str] = ()
    ) -> None:
        self.restorer, self.options, self.most, self.missing = restorer, options, most, tuple(missing)
        self.presets = restorer.catalog.presets
        bases = restorer.catalog.bases
        self.largest = {name: bases[name].largest if name in bases else LARGEST for name in restorer.bases}
        self.pictures: Recent[Picture] = Recent(KEPT, ROOM)

    def open(self, path: Path) -> Sheet:
        """Look at a picture; the errors name it without its folder."""
        from restorekit.image import read_pages

        upload = Upload(path, path.name, self.most)
        with upload.named():
            upload.header()
            pages = read_pages(path)
            count, picture = len(pages), pages[0]
            self.pictures.get(path, lambda: (picture, picture.values.nbytes))
            (found,) = self.restorer.inspect(picture.values, picture.visible)
        height, width = picture.values.shape[-2:]
        return Sheet(path, path.name, width, height, count, found, (*picture.notes, *found.notes))

    def picture(self, sheet: Sheet) -> Picture:
        """The pixels of a sheet, read again where they are not at hand; ImageError where the file is gone."""
        from restorekit.image import read_pages

        def read() -> tuple[Picture, int]:
            if not sheet.path.is_file():
                raise ImageError(f"{sheet.name} was put away after a while; drop it here again")
            picture = read_pages(sheet.path)[0]
            return picture, picture.values.nbytes

        return self.pictures.get(sheet.path, read)

    def overview(self, sheet: Sheet) -> Picture:
        """The whole picture, reduced."""
        return reduced(self.picture(sheet), OVERVIEW)

    def weights(self, sheet: Sheet, wish: Wish) -> Mixture:
        """Weights of a sheet as they are wished for."""
        return wish.apply(sheet.found, self.presets, self.largest).weights

    def wish(
        self, sheet: Sheet, weights: Mapping[str, float], keep: Sequence[str] = (), strength: float = 1.0
    ) -> Wish:
        """The shortest wish that gives weights of sliders: those that were not moved are the encoder's still.

        weights: by basis.
        keep: names of presets.
        strength: factor of all.
        """
        start = Wish(keep=tuple(keep))
        before = self.weights(sheet, start).values
        moved = {name: value for name, value in weights.items() if abs(value - before[name]) > STEP / 2 + 1e-9}
        return replace(start, set=moved, strength=strength)

    def try_out(self, sheet: Sheet, order: Order, point: tuple[float, float] = (0.5, 0.5)) -> Trial:
        """Restore the piece around a point, with what surrounds it so far as it counts.

        point: in shares of width and height.
        """
        from restorekit.running.passing import enlarge

        picture, scale = self.picture(sheet), order.scale
        box = box_around(point, SIDE // scale, sheet.width, sheet.height)
        halo = (self.restorer.backbone.facts.halo or 0) * (2 if order.look else 1)  # further ones count for little
        rows, columns, inner = surrounded(box, halo, sheet)
        values, visible = picture.values[..., rows, columns], picture.visible
        mask = None if order.mask is None else fitted(order.mask.values, sheet.height, sheet.width)[rows, columns]
        result = self.restorer.restore(
            values,
            weights=self.weights(sheet, order.wish).values,
            blind=False,
            scale=scale,
            mask=mask,
            visible=None if visible is None else visible[:, rows, columns],
            look=order.look,
            seed=order.seed,
            corner=(rows.start, columns.start),
        )
        before = enlarge(values, scale)
        shown = bare(picture, slice(box[1], box[3]), slice(box[0], box[2]))
        left, top, right, bottom = (n * scale for n in inner)
        return Trial(
            replace(shown, values=before[..., top:bottom, left:right]),
            replace(shown, values=result.image[..., top:bottom, left:right]),
            box,
        )

    def restore(
        self, sheet: Sheet, order: Order, folder: Path, progress: Progress = lambda done, total: None
    ) -> Outcome:
        """Restore a whole file as `restorekit restore` does, into a folder. StoppedError where `stop` was set.

        progress: told how many pieces are done, and of how many.
        """

        def told(done: int, total: int) -> None:
            if sheet.stop.is_set():
                raise StoppedError
            progress(done, total)

        sheet.stop.clear()
        output = folder / restored_name(sheet.name)
        options = self.ordered(order)
        if order.mask is not None:
            options = replace(options, masks={"": str(self.painted(sheet, order.mask, folder))})
        report, restored = self.write(sheet.path, output, options, told)
        view = None
        if sheet.pages == 1:
            picture = self.picture(sheet)
            after = replace(bare(picture), values=restored.pages[0].result.image)
            box = (0, 0, sheet.width, sheet.height)
            view = Trial(reduced(picture, WHOLE), reduced(after, WHOLE), box)
        return Outcome(sheet.name, output, (report.found, *report.notes, *self.missing), view)

    def restore_all(
        self, paths: Sequence[Path], order: Order, folder: Path, progress: Progress = lambda done, total: None
    ) -> list[Outcome]:
        """Restore files one after the other into a folder; one that cannot be restored is told, and the others go
        on.

        progress: told how many are done, and of how many.
        """
        outcomes: list[Outcome] = []
        taken: set[str] = set()
        for number, path in enumerate(paths):
            progress(number, len(paths))
            output = folder / free_name(restored_name(path.name), taken)
            taken.add(output.name)
            try:
                report, _ = self.write(path, output, self.ordered(order))
            except RestorekitError as error:
                outcomes.append(Outcome(path.name, None, (str(error),)))
            else:
                outcomes.append(Outcome(path.name, output, (report.found, *report.notes)))
        return outcomes

    def write(
        self, path: Path, output: Path, options: Options, progress: Progress | None = None
    ) -> tuple[Report, Restored]:
        """Restore a file into another; the errors name it without its folder."""
        upload = Upload(path, path.name, self.most)
        with upload.named():
            upload.header(options.scale)
            job = Job(path, output)
            pipeline = Pipeline(self.restorer, options, progress=progress)
            restored = pipeline.restore(job, pipeline.open(job))
            return pipeline.write(job, restored), restored

    def match(self, before: Path, after: Path) -> tuple[Mapping[str, float], tuple[str, ...]]:
        """Weights that carry one picture to the other, and lines about them; errors name files without folders."""
        from restorekit.work.by_example import found_by

        for path in (before, after):
            upload = Upload(path, path.name, self.most)
            with upload.named():
                upload.header()
        heard = Heard()  # type: ignore[abstract]  # what a listener leaves out does nothing
        recipe = found_by(self.restorer, [(str(before), str(after))], heard)
        return recipe.mixture.values, tuple(named(line, before, after) for line in heard.lines)

    def said(self, problem: Exception, *paths: Path) -> str:
        """An error in one line, which names files without their folders."""
        return named(str(in_one_line(Job(paths[0]), problem)), *paths)

    def ordered(self, order: Order) -> Options:
        """Options of a run for an order, without its mask."""
        return replace(
            self.options,
            wish=order.wish,
            scale=order.scale,
            strip=order.strip,
            look=order.look,
            seed=order.seed,
            overwrite=True,
        )

    def painted(self, sheet: Sheet, mask: Mask, folder: Path) -> Path:
        """Write a mask of the picture's size into a folder."""
        from restorekit.image import Picture, as_values

        values = as_values(fitted(mask.values, sheet.height, sheet.width), mask.values.dtype)
        values = values.expand(1, 3, -1, -1)
        write_picture(folder / "mask.png", values, Picture(values, mode="grey"), overwrite=True)
        return folder / "mask.png"


class Heard(Listener):
    """Keeps the notes of a run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str, level: Level = "note") -> None:
        """Keep a line."""
        self.lines.append(text)


def named(line: str, *paths: Path) -> str:
    """A line with names in the place of paths."""
    for path in paths:
        line = line.replace(str(path), path.name)
    return line


def surrounded(
    box: tuple[int, int, int, int], halo: int, sheet: Sheet
) -> tuple[slice, slice, tuple[int, int, int, int]]:
    """Rows and columns of a box with its surroundings, and the box within them."""
    left, top = max(0, box[0] - halo), max(0, box[1] - halo)
    rows = slice(top, min(sheet.height, box[3] + halo))
    columns = slice(left, min(sheet.width, box[2] + halo))
    return rows, columns, (box[0] - left, box[1] - top, box[2] - left, box[3] - top)


def free_name(name: str, taken: Collection[str]) -> str:
    """A name that is not taken yet: name.restored.jpg, name.restored (2).jpg."""
    path, number = Path(name), 1
    while name in taken:
        number += 1
        name = f"{path.stem} ({number}){path.suffix}"
    return name
