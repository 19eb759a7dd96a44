"""Muon: momentum whose matrix is made orthogonal before it is applied.

    G = momentum of the gradient, as a matrix (out, in * kh * kw)
    W <- W - lr * 0.2 sqrt(max(out, in kh kw)) * UV^T,     G = U S V^T

UV^T comes from a few Newton-Schulz steps. In float32: torch.optim.Muon computes in bfloat16, which processors
without it emulate slowly, and takes matrices only. Layers of one shape are done together.

Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/ ; the scale: Liu et al., 2025, https://arxiv.org/abs/2502.16982
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["Muon", "orthogonalise"]

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearest orthogonal matrices, roughly: singular values end between 0.7 and 1.2. matrices: (N, R, C).

    The iteration X <- p(X X^T) X runs on the small side alone: all its factors are polynomials of the first
    X X^T and commute, so X_n = Q_n X_0 with Q_n = p(G_n-1) Q_n-1 and G_n = p(G_n-1)^2 G_n-1.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-12)
    gram = x @ x.mT
    one = torch.eye(x.shape[1], device=x.device)
    product = one.expand_as(gram)
    for step in range(steps):
        factor = a * one + b * gram + c * (gram @ gram)
        product = factor @ product if step else factor
        if step < steps - 1:
            gram = factor @ gram @ factor
    x = product @ x
    return x.mT if tall else x


class Muon(Optimizer):
    """Muon for parameters of two or more dimensions."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float = 1e-3, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):  # type: ignore[no-untyped-def, override]
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                if p.grad is not None:
                    shapes[(len(p), p[0].numel())].append(p)
            for shape, params in shapes.items():
                updates = []
                for p in params:
                    assert p.grad is not None  # only those with one are in `shapes`
                    if "momentum" not in self.state[p]:
                        self.state[p]["momentum"] = torch.zeros_like(p)
                    momentum = self.state[p]["momentum"]
                    momentum.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(momentum, group["momentum"]).reshape(shape))
                scale = group["lr"] * 0.2 * max(shape) ** 0.5
                for p, update in zip(params, orthogonalise(torch.stack(updates)), strict=True):
                    if isinstance(scale, Tensor):
                        p.sub_(update.view_as(p) * scale)
                    else:
                        p.sub_(update.view_as(p), alpha=scale)
