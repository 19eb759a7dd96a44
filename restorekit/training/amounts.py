"""Fit how much of the noise basis a picture needs: `python -m restorekit.training.amounts PHOTOS --out WEIGHTS`.

The pictures are of several makes (`restorekit.training.developed`). Where the noise key is
unsure, the basis is tried on the crops as in use, and the picture is restored with five weights of it beside what
else was found: how many decibels each loses is what `restorekit.model.amount` is fitted to. Errors below what
anyone sees count little.

It is the decibels that are learnt and not which weight is best: nets that are unsure then agree on the middle,
where five that choose are each sure of another end.

Cameras differ, and none is drawn as it is. So each make of noise is left out of a fit in turn, and what a weight
other than the key's has to promise is what loses least on those left out and on clean pictures. On held-out
photographs it is said how much the key loses and how much the amount in its place, by what saw the make and by
what did not.

Beside JPEG the basis changes other things, so that strongly compressed files have a read-out of their own
(`Amount.beside`), made in the same way of files of any quality. `--pictures 0` makes that one anew and leaves the
other as it is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from restorekit.model.amount import Amount, between, load_judge, write_amount
from restorekit.model.basis import EVIDENCE
from restorekit.model.key import LIMIT, SLOPE
from restorekit.model.weights import write_sums
from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.running.restorer import Restorer
from restorekit.training.amount_samples import ASKED, Sample, asked, on_disk, samples
from restorekit.training.developed import BESIDE, BESIDE_CLEAN, CLEAN, SIDES
from restorekit.training.photos import Photos
from restorekit.training.shots import NOISE

__all__ = ["amount_of", "compared", "fit", "least_of", "lost", "main"]

FAINT = 1e-5  # mean square added to errors: 50 dB
UNITS, NETS = 64, 6
STEPS, BATCH, RATE, DECAY = 800, 512, 6e-3, 0.03
FLAT = 1e-4
PLAIN = 1 / 3  # dB that are plainly more or less
LEAST = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # dB to promise that are tried
# Makes of pictures that are left out of a fit together.
TOGETHER = (
    ("camera",),
    ("gaussian", "poisson", "grey"),
    ("correlated", "grain"),
    ("shot", "shot clean"),
)


@dataclass(frozen=True)
class Fitting:
    """Choices of a fit.

    most: dB that a weight loses at most. In files tenths of a decibel are the question: what loses many teaches
        nothing more.
    blurred: deviation of the noise on the numbers, which are standardised.
    """

    most: float = 6.0
    blurred: float = 0.3


FITTING, OF_FILES = Fitting(), Fitting(most=2.0, blurred=0.6)


def decibels(some: Sequence[Sample]) -> Tensor:
    """Measure what each of WEIGHTS loses against the best of them, dB, (M, 5)."""
    levels = 10 * (torch.stack([one.errors for one in some]) + FAINT).log10()
    return levels - levels.min(1, keepdim=True).values


def lost(some: Sequence[Sample], weights: Sequence[float]) -> Tensor:
    """Decibels by which each picture's weight is behind the best one, (M,)."""
    losses = decibels(some)
    least = between(losses, torch.linspace(0, 1, 41)).min(1).values
    return between(losses, torch.tensor(weights)[:, None].clamp(0, 1))[:, 0] - least


def fit(some: Sequence[Sample], keys: tuple[Tensor, Tensor], fitting: Fitting = FITTING) -> Amount:
    """Fit several nets that begin differently, and let one answer with their mean. The same samples give the same.

    keys: those whose answers the samples have, (A, D), and their biases, (A,).
    fitting: of its nets.
    """
    numbers = torch.stack([one.numbers for one in some])
    losses = decibels(some).clamp(max=fitting.most)
    deviation = numbers.std(0, correction=0)
    mean, gain = (
        on_disk(numbers.mean(0)),
        on_disk(torch.where(deviation > FLAT, 1 / deviation.clamp_min(FLAT), 0.0)),
    )
    inputs = ((numbers - mean) * gain).clamp(-LIMIT, LIMIT)
    nets = [fit_one(inputs, losses, fitting.blurred, seed) for seed in range(NETS)]
    down, shift = (torch.cat([net[i] for net in nets]) for i in (0, 1))
    up = torch.cat([net[2] for net in nets], 1) / NETS
    straight, bias = (torch.stack([net[i] for net in nets]).mean(0) for i in (3, 4))
    down, shift, up, straight, bias = (on_disk(tensor) for tensor in (down, shift, up, straight, bias))
    return Amount(*keys, mean, gain, down, shift, up, straight, bias, torch.zeros(2))


def fit_one(inputs: Tensor, losses: Tensor, blurred: float, seed: int) -> list[Tensor]:
    """Fit one net to numbers, (M, N), and losses, (M, 5): down, shift, up, straight and bias.

    blurred: see `Fitting`.
    """
    generator = Generator().manual_seed(seed)
    (count, length), ends = inputs.shape, losses.shape[1]
    moving = [
        torch.randn(UNITS, length, generator=generator) / length**0.5,
        torch.zeros(UNITS),
        torch.randn(ends, UNITS, generator=generator) / UNITS**0.5,
        torch.zeros(ends, length),
        losses.mean(0),
    ]
    down, shift, up, straight, bias = (tensor.requires_grad_() for tensor in moving)
    optimiser = torch.optim.AdamW(moving, lr=RATE, weight_decay=DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        some = torch.randint(count, (BATCH,), generator=generator)
        seen = inputs[some] + blurred * torch.randn(BATCH, length, generator=generator)
        units = F.leaky_relu(seen @ down.T + shift, SLOPE)
        loss = F.mse_loss(seen @ straight.T + units @ up.T + bias, losses[some])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rates.step()
    return [tensor.detach() for tensor in moving]


def compared(amount: Amount, some: Sequence[Sample]) -> dict[str, object]:
    """Measure what is lost by the key and with the amount, dB, and which shares of the pictures are a third of a
    decibel or more worse, or better, with the amount."""
    key = lost(some, [one.weight for one in some])
    with_it = lost(some, [amount.weight(one.numbers, one.weight) for one in some])
    figures = {"lost_by_key": key, "lost_by_amount": with_it}
    shares = {"worse": with_it - key > PLAIN, "better": key - with_it > PLAIN}
    means = {name: round(float(values.float().mean()), 3) for name, values in (figures | shares).items()}
    return {"pictures": len(some), **means}


def strange_to(fits: Mapping[tuple[str, ...], Amount], some: Sequence[Sample]) -> list[tuple[Amount, Sample]]:
    """Pair each sample of a make with what was fitted without that make."""
    return [(amount, one) for makes, amount in fits.items() for one in some if one.make in makes]


def least_of(pairs: Sequence[tuple[Amount, Sample]]) -> Tensor:
    """Find what a larger and a smaller weight than the key's have to promise for least to be lost, (2,), dB."""
    some = [one for _, one in pairs]
    promises = [amount.promise(one.numbers, one.weight) for amount, one in pairs]
    best, promised = torch.tensor(promises).unbind(1)
    wins = lost(some, [one.weight for one in some]) - lost(some, best.tolist())
    lower = best < torch.tensor([one.weight for one in some])
    least = [
        max(LEAST, key=lambda bound: float(wins[side & (promised > bound)].sum())) for side in (~lower, lower)
    ]
    return on_disk(torch.tensor(least))


def amount_of(
    training: Sequence[Sample],
    held_out: Sequence[Sample],
    keys: tuple[Tensor, Tensor],
    tell: Callable[[str], None] = lambda line: None,
    fitting: Fitting = FITTING,
) -> Amount:
    """Fit an amount, and what it has to promise to makes of pictures that were left out of a fit in turn.

    keys, fitting: as in `fit`.
    tell: told lines of figures.
    """
    fits: dict[tuple[str, ...], Amount] = {
        makes: fit(rest, keys, fitting)
        for makes in TOGETHER
        if len(rest := [one for one in training if one.make not in makes]) < len(training)
    }
    clean = [(amount, one) for amount in fits.values() for one in held_out if one.make in (CLEAN, BESIDE_CLEAN)]
    least = least_of(strange_to(fits, training) + clean)
    final = replace(fit(training, keys, fitting), least=least)
    for name, each in (
        ("left out", fits),
        ("all", dict.fromkeys(((CLEAN,), *TOGETHER, (BESIDE,), (BESIDE_CLEAN,)), final)),
    ):
        for makes, amount in each.items():
            if some := [one for one in held_out if one.make in makes]:
                figures = compared(replace(amount, least=least), some)
                tell(json.dumps({"makes": " ".join(makes), "fit": name, **figures}))
    tell(json.dumps({"fitted_to": len(training), "least": [round(float(value), 3) for value in least]}))
    return final


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+", help="folders of clean photographs, and of screens")
    parser.add_argument("--out", type=Path, required=True, help=f"folder of weights, with {NOISE}/ in it")
    parser.add_argument("--limit", type=int, help="number of photographs to read")
    parser.add_argument("--pictures", type=int, default=8000, help="number of pictures to draw")
    parser.add_argument("--beside", type=int, default=2000, help="further ones with other degradations")
    parser.add_argument("--files", type=int, default=4200, help="further ones that are JPEG files")
    parser.add_argument("--held-out", type=float, default=0.15, help="share of these, of held-out photographs")
    parser.add_argument("--run", type=Path, help="folder where samples are kept, and gone on from")
    parser.add_argument("--threads", type=int, help="pictures at once")
    chosen = parser.parse_args()
    if not 0 < chosen.held_out < 1:
        parser.error(f"--held-out is a share between 0 and 1, not {chosen.held_out:g}")
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    restorer = Restorer.from_pretrained(device="cpu", catalog=build_catalog(load_plugins()))
    if missing := sorted(set(ASKED) - set(restorer.keys)):
        parser.error(f"no key of {', '.join(missing)}; install the plugins that bring them")
    path = chosen.out / NOISE / EVIDENCE
    judge = load_judge(path) if path.exists() else None
    amount = judge if isinstance(judge, Amount) else None
    if amount is None and not chosen.pictures:
        parser.error(f"{path} has no amount to which a read-out of files could be added; give --pictures")
    photos = Photos.load(chosen.photos, min(SIDES), chosen.limit)
    keys = asked(restorer.keys)

    def tell(line: str) -> None:
        print(line, flush=True)

    def gathered(part: str, **counts: int) -> list[Sample]:
        """Draw so many pictures of each lot, or of held-out photographs the share of them."""
        some, share = (photos.calibration, chosen.held_out) if part == "held_out" else (photos.training, 1.0)
        found = []
        for lot, count in counts.items():
            kept = chosen.run and chosen.run / f"{part}_{lot}.safetensors"
            found += samples(restorer, some, round(share * count), kept, tell, lot)
        return found

    def made(fitting: Fitting, **counts: int) -> Amount:
        return amount_of(gathered("training", **counts), gathered("held_out", **counts), keys, tell, fitting)

    if chosen.pictures:
        before = amount
        amount = made(FITTING, developed=chosen.pictures, beside=chosen.beside)
        amount = replace(amount, beside=before and before.beside)
    if amount is not None and chosen.files:
        amount = replace(amount, beside=made(OF_FILES, files=chosen.files))
    if amount is not None:
        write_amount(path, amount)
        write_sums(chosen.out / NOISE)


if __name__ == "__main__":
    main()
