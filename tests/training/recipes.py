"""What the laws of training share: a tiny recipe and what it trains."""

from restorekit.plugin.catalog import build_catalog, load_plugins
from restorekit.training.recipes import BackboneRecipe

CATALOG = build_catalog(load_plugins())
NAMES = ("noise", "blur", "rain")
TINY = BackboneRecipe(
    names=NAMES,
    ranks=(2, 2, 3),
    shares=(1, 1, 1),
    channels=(8, 16),
    blocks=(1, 1),
    patch=32,
    groups=2,
    group_size=2,
    warm_up=0.5,
    precision="fp32",  # or tiny differences in the order of sums would flip roundings
)


def degradations(names=NAMES):
    return [CATALOG.degradations[n] for n in names]


def parameters(training):
    return {n: p.detach().clone() for n, p in training.trainable().items()}
