"""The second training: the encoder with the first-party keys and gauges.

First to the labels: which degradations were applied (binary cross-entropy; a realisation weaker than the mild
end of its scale, or hidden by the others, counts for less), and how strong (absolute error of the severity's
fraction). One label for a whole picture says little about a streak in its corner, so the CNN is also told, for
each cell of each crop, how much each degradation changed it; and since making a picture and looking at it takes
far longer than reading out what was seen, the features of the last pictures are kept and read out again
(experience replay, Lin, 1992, https://doi.org/10.1007/BF00992699). Then, with backbone and bases frozen, also
end to end: the restoration loss of the network that its weights make, on composites. Last, all that was learnt
stays, and each key is calibrated by the restoration of photographs held out so far (`calibration`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from restorekit.composition import Compose
from restorekit.degradation import Degradation
from restorekit.errors import TrainingError
from restorekit.model.backbone import Backbone
from restorekit.model.basis import Basis, save_key
from restorekit.model.context import CONTEXT
from restorekit.model.encoder import TENSORS, DegradationEncoder, EncoderConfig, weights_of
from restorekit.model.key import BasisKey
from restorekit.model.looking import GRID, choose_places, cut
from restorekit.model.weights import digest
from restorekit.running.device import autocast
from restorekit.training.bank import BasisBank, Stateless, in_one_step, one_hot_weights
from restorekit.training.base import Training
from restorekit.training.blind import read_as_in_use
from restorekit.training.calibration import Calibration, spread
from restorekit.training.engine import Engine, adamw, training_precision
from restorekit.training.keys import Keys
from restorekit.training.labelled_pictures import PictureMaker, Pictures
from restorekit.training.log import Log
from restorekit.training.memory import Lesson, Memory
from restorekit.training.pairs import PairMaker, typical
from restorekit.training.photos import Photos, validation_crops
from restorekit.training.rates import learning_rate_factor
from restorekit.training.recipes import EncoderRecipe
from restorekit.training.teacher import Teacher, curriculum_of

__all__ = ["CALIBRATION", "RESTORATION", "EncoderTraining"]

VISIBLE = 4 / 255  # a change of so much, root mean square, is evidence of one half
AVERAGE = 0.995  # decay of the averaged weights
LABELS, RESTORATION, CALIBRATION = "labels", "restoration", "calibration"
SIZES = (0.15, 0.45, 0.27, 0.13)  # of 0, 1, 2, 3 degradations: more clean pictures, which must be left alone


class EncoderTraining(Training):
    """Encoder, keys and gauges; backbone and bases stay as they are."""

    def __init__(
        self,
        recipe: EncoderRecipe,
        degradations: Sequence[Degradation],
        photos: Photos,
        backbone: Backbone,
        bases: Sequence[Basis],
        config: EncoderConfig | None = None,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(recipe, recipe.seed, LABELS, engine)
        by_name = {d.name: d for d in degradations}
        self.degradations = tuple(by_name[n] for n in recipe.names)
        self.pairs = PairMaker(self.degradations, recipe.shares, SIZES, recipe.sets)
        curriculum = curriculum_of(recipe.lessons, self.degradations, recipe.lesson_share)
        self.pictures = PictureMaker(self.pairs, self.at_hand(photos.training), curriculum)
        self.teacher: Teacher | None = None
        self.precision = training_precision(recipe.precision, self.device)
        self.photos = photos
        self.encoder = DegradationEncoder(config or EncoderConfig()).to(self.device)
        self.keys = Keys(len(recipe.names), self.encoder.config.local).to(self.device)
        self.memory = Memory(recipe.kept)
        self.fresh: dict[int, Lesson] = {}  # of this step, by the seed of its part
        self.locate = nn.Conv2d(self.encoder.config.channels[-1], len(recipe.names), 1).to(self.device)
        self.multiple = backbone.facts.multiple
        self.backbone = backbone.network.requires_grad_(False).to(self.device)
        chosen = {b.name: b for b in bases}
        self.bank = BasisBank(backbone, {n: chosen[n].rank for n in recipe.names}, self.generator)
        for i, name in enumerate(recipe.names):
            self.bank.put(i, chosen[name].layers())
        self.bank.requires_grad_(False).to(self.device)
        self.network = Stateless(self.backbone)
        self.crops = validation_crops(photos.validation, 12, recipe.picture)
        self.prepare(average_decay=AVERAGE)

    def trainable(self) -> dict[str, nn.Parameter]:
        named = {f"encoder.{n}": p for n, p in self.encoder.named_parameters()}
        if not self.recipe.lessons:
            named |= {f"keys.{n}": p for n, p in self.keys.named_parameters()}
        return named | {f"locate.{n}": p for n, p in self.locate.named_parameters()}

    def make_optimisers(self, trainable: dict[str, nn.Parameter]) -> list[torch.optim.Optimizer]:
        calibration = [self.keys.steepness, self.keys.shift, self.keys.second]
        others = [p for p in trainable.values() if all(p is not c for c in calibration)]
        return [adamw(others, self.device, self.recipe.learning_rate, weight_decay=1e-3)]

    def start_from_weights(self, encoder: DegradationEncoder, keys: Sequence[BasisKey]) -> None:
        """Start from a saved encoder and saved keys, in the order of the bases. Blocks that it lacks come in
        without effect."""
        try:
            absent, foreign = self.encoder.load_state_dict(encoder.state_dict(), strict=False)
        except RuntimeError:  # one of other sizes
            absent, foreign = [], [""]
        if foreign or not all(name.startswith(("blocks.", "fine.")) for name in absent):
            raise TrainingError("the saved encoder has another shape; leave --from-weights out")
        for i, key in enumerate(keys):
            self.keys.put(i, key)
        if self.recipe.lessons:
            self.teacher = Teacher(self.encoder, self.keys)
        self.prepare(average_decay=AVERAGE)

    def enter_stage(self, done: float, folder: Path, log: Log) -> None:
        calibration = 1 - self.recipe.calibration_share
        if self.counters.stage == LABELS and done >= calibration - self.recipe.restoration_share:
            # No `enter`: the rate goes on as it was, there are no new parameters to warm up.
            self.counters.stage = RESTORATION
        if self.counters.stage == RESTORATION and done >= calibration:
            self.finish_slice(folder / "uncalibrated.safetensors", log)
            self.average.swap()
            self.counters.enter(CALIBRATION)
            self.prepare(average_decay=AVERAGE)

    def rate_factor(self, done: float) -> float:
        before = 1 - self.recipe.calibration_share
        if self.counters.stage == CALIBRATION:
            return 0.0
        return learning_rate_factor(self.counters.stage_iteration, done / before, self.recipe.decay)

    def step(self, factor: float) -> float | Tensor:
        if self.counters.stage != CALIBRATION:
            return super().step(factor)
        gap = self.calibration.step(self.counters.stage_iteration)
        torch._foreach_copy_(self.average.values, [p.detach() for p in self.average.parameters])
        return gap

    @cached_property
    def calibration(self) -> Calibration:
        clean = spread(self.photos.calibration)
        return Calibration(self.keys, self.pairs, clean, self.encoder, self.restored, self.recipe.calibrate)

    def draw(self, generator: Generator, choices: Generator | None = None, count: int | None = None) -> Pictures:
        return self.pictures.draw(count or self.recipe.group_size, self.recipe.picture, generator, choices)

    def watched(self) -> bool:
        return self.counters.stage != CALIBRATION  # whose gap is near zero, and only falls

    def loss(self, data: Pictures, generator: Generator) -> Tensor:
        features, located, crops = self.look(data)
        lesson = Lesson(features, data.fractions, data.presence, data.asked)
        forgotten: Tensor | float = 0.0
        if self.teacher is not None and not data.labelled:
            owners, contexts = self.owners(lesson)
            lesson, query = self.teacher.lesson(lesson, crops, owners, contexts)
            forgotten = F.mse_loss(self.query(lesson), query)
        # On a CPU each part has a generator of its own, and the order in which they are done is chance.
        key = generator.initial_seed() if self.device.type == "cpu" else len(self.fresh)
        self.fresh[key] = replace(lesson, features=features.detach())
        logits, loss = self.read_out(lesson)
        loss = loss + self.recipe.evidence * located + forgotten
        if self.counters.stage == RESTORATION:
            weights = weights_of(logits)
            if bool(data.removed.any()):
                weights = torch.where(self.pairs.late.to(self.device), data.removed, weights)
            error = self.restored_error(data, weights, generator)
            loss = loss + self.recipe.restoration * error.abs().mean()
        return loss

    def look(self, data: Pictures) -> tuple[Tensor, Tensor, Tensor]:
        """Features of the pictures' crops, (B, crops, F), loss of the evidence, and the crops, (N, 3, s, s)."""
        config = self.encoder.config
        crops, evidence = [], []
        for i in range(len(data.degraded)):
            picture = data.degraded[i : i + 1]
            places = choose_places(picture, config.crop, self.recipe.crops)
            seen = cut(picture, places, config.crop)
            if bool(data.removed.any()):
                with torch.no_grad():
                    seen = self.restored(seen, data.removed).float().clamp(0, 1)
            crops.append(seen)
            cells = [(top // GRID, left // GRID) for top, left in places]
            evidence.append(cut(data.evidence[i : i + 1], cells, config.crop // GRID))
        joined = torch.cat(crops)
        with autocast(self.device.type, self.precision):
            seen = self.encoder.see(joined)
        seen = seen.float()
        change = F.avg_pool2d(torch.cat(evidence), self.encoder.cell // GRID).sqrt()
        asked = data.asked.repeat_interleave(len(seen) // len(data.asked), 0)[:, :, None, None]
        located = F.binary_cross_entropy_with_logits(self.locate(seen), change / (change + VISIBLE), asked)
        return self.encoder.features(seen, joined).unflatten(0, (len(crops), -1)), located, joined

    def owners(self, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Picture that each crop is of, (N,), and contexts, (B, CONTEXT): no first-party key looks at those."""
        count, crops = lesson.features.shape[:2]
        owners = torch.arange(count, device=self.device).repeat_interleave(crops)
        return owners, torch.zeros(count, CONTEXT, device=self.device)

    def query(self, lesson: Lesson) -> Tensor:
        """Queries, (B, D)."""
        return self.encoder.read(lesson.features.flatten(0, 1), *self.owners(lesson))

    def read_out(self, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Logits, (B, K), and the loss of the labels."""
        logits, fractions = self.keys(self.query(lesson))
        presence = F.binary_cross_entropy_with_logits(logits, lesson.presence, lesson.asked)
        weight = torch.where(lesson.fractions > 0, 1.0, 0.15) * lesson.asked
        return logits, presence + (weight * (fractions - lesson.fractions).abs()).mean()

    def rehearsal(self) -> Tensor | None:
        for _, lesson in sorted(self.fresh.items()):
            self.memory.add(lesson)
        self.fresh.clear()
        count = self.recipe.rehearsed
        if len(self.memory.pictures) < count:
            return None
        return self.read_out(self.memory.draw(count, self.generator))[1]

    def restored_error(self, data: Pictures, weights: Tensor, generator: Generator) -> Tensor:
        """Error of a patch of one of the pictures, restored; differentiable with respect to weights.

        data: pictures.
        weights: for each of them, (B, K).
        generator: draws which, and where.
        """
        size = self.recipe.patch
        room = (self.recipe.picture - size) // self.multiple + 1
        place = generator.device
        i = int(torch.randint(len(weights), (1,), generator=generator, device=place))
        corner = torch.randint(0, room, (2,), generator=generator, device=place)
        top, left = (corner * self.multiple).tolist()
        degraded = data.degraded[i : i + 1, :, top : top + size, left : left + size]
        clean = data.clean[i : i + 1, :, top : top + size, left : left + size]
        # All weights may be 0: then nothing else depends on them.
        return self.restored(degraded, weights[i]) - clean + 0 * weights[i].sum()

    def restored(self, degraded: Tensor, weights: Tensor) -> Tensor:
        """Pictures, (B, 3, H, W), by the network that the weights, (K,), make."""
        merged = self.bank.merged(self.backbone, weights)
        with autocast(self.device.type, self.precision):
            return in_one_step(self.network, merged, degraded)

    @torch.inference_mode()
    def validate(self) -> dict[str, float]:
        """Share of weights on the right side of 0.5, and mean absolute error of the severities present, in their
        units: on held-out photographs, under single degradations at their typical severity, and clean."""
        with self.average.used():
            scores: dict[str, float] = {}
            keys = {name: self.keys.take(i) for i, name in enumerate(self.recipe.names)}
            for row, degradation in enumerate([None, *self.degradations]):
                present = [degradation] if degradation else []
                images = self.placed(str(row), partial(self.crops_of_row, row, present))
                readings = [
                    read_as_in_use(self.encoder, keys, self.pairs, picture, self.restored)
                    for picture in images.split(1)
                ]
                wanted = one_hot_weights(self.recipe.names, list(typical(present)))
                weights = torch.tensor([[r.weights[n] for n in self.recipe.names] for r in readings])
                name = degradation.name if degradation else "clean"
                scores[f"{name} right"] = float(((weights > 0.5) == (wanted > 0.5)).float().mean())
                if degradation is not None:
                    scale = degradation.severity
                    errors = [abs(scale.value(r.fractions[name]) - scale.typical) for r in readings]
                    scores[f"{name} severity error"] = sum(errors) / len(errors)
            right = [score for name, score in scores.items() if name.endswith(" right")]
            return {"mean": sum(right) / len(right), **scores}

    def crops_of_row(self, row: int, present: Sequence[Degradation]) -> Tensor:
        """The held-out crops as they are for a row of the validation, (N, 3, s, s), on the CPU."""
        generator = Generator().manual_seed(2000 + row)
        return Compose.draw(present, self.crops.shape, generator, typical(present)).apply(self.crops)

    def export(self, folder: Path) -> None:
        """Write the averaged encoder to `folder`/encoder; key and gauge into each basis's folder."""
        with self.average.used():
            self.encoder.save(folder / "encoder")
            sha256 = digest(folder / "encoder" / TENSORS)
            for i, name in enumerate(self.recipe.names):
                save_key(folder / name, self.keys.take(i), encoder_sha256=sha256)
