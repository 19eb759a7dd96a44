"""A dry run on a GPU that is not there: tensors on "cuda" have shapes and no values, those on the CPU are real.

Code that mixes devices fails, and so does code that asks for a value on the GPU, for which a real one would wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

CUDA = torch.device("cuda", 0)


class CudaGenerator(torch.Generator):
    """Says that it is on the GPU."""

    device = CUDA


class RealOnCpu(TorchDispatchMode):
    """Computes for real whatever is about the CPU alone; the fake mode below it gets the rest."""

    def __init__(self, fake: FakeTensorMode) -> None:
        super().__init__()
        self.fake = fake

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        leaves = tree_leaves((args, kwargs))
        devices = {leaf.type for leaf in leaves if isinstance(leaf, torch.device)}
        if "cuda" not in devices and not any(isinstance(leaf, FakeTensor) for leaf in leaves):
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        args, kwargs = tree_map_only(torch.Tensor, self.faked, (args, kwargs))
        return func(*args, **kwargs)

    def faked(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if isinstance(tensor, FakeTensor) else self.fake.from_tensor(tensor)


@contextmanager
def fake_cuda() -> Iterator[CudaGenerator]:
    """Inside, `device="cuda"` works without a GPU; the value is a generator for it."""
    with FakeTensorMode() as fake, RealOnCpu(fake):
        yield CudaGenerator()
