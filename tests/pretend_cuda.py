"""A GPU that is pretended: tensors on "cuda" that have values, kept on the CPU.

For code that asks for values and so cannot run dry (`tests.fake_cuda`): code that mixes devices fails here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

from restorekit.plugin.testing.other_device import CUDA, CudaGenerator

# Operations that may see both devices: copies between them, and numbers of places that lie on the CPU.
BETWEEN = ("aten::copy_", "aten::_to_copy", "aten::index", "aten::index_put_", "aten::_index_put_impl_")


class There(torch.Tensor):
    """A tensor that says that it is on the GPU. held: its values, on the CPU."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> There:
        tensor = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), dtype=held.dtype, device=CUDA
        )
        tensor.held = held
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return PretendedCuda().compute(func, args, kwargs or {})

    def tolist(self) -> list:
        return self.held.tolist()

    def __repr__(self) -> str:
        return f"There({self.held})"


class PretendedCuda(TorchDispatchMode):
    """Computes on the CPU what belongs to the GPU."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.compute(func, args, kwargs or {})

    def compute(self, func, args, kwargs):
        leaves = tree_leaves((args, kwargs))
        there = [leaf for leaf in leaves if isinstance(leaf, There)]
        wanted = {leaf.type for leaf in leaves if isinstance(leaf, torch.device)}
        here = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and not isinstance(leaf, There)]
        if there and any(tensor.ndim for tensor in here) and func._schema.name not in BETWEEN:
            raise RuntimeError(
                f"{func} wants tensors on the same device; on the CPU are {[t.shape for t in here]}"
            )
        if there and not wanted and func._schema.name == "aten::copy_" and not isinstance(args[0], There):
            wanted = {"cpu"}
        args, kwargs = tree_map_only(There, lambda tensor: tensor.held, (args, kwargs))
        args, kwargs = tree_map_only(torch.device, lambda device: torch.device("cpu"), (args, kwargs))
        with unset_fake_temporarily():
            result = func(*args, **kwargs)
        if wanted != {"cuda"} and (not there or wanted):
            return result
        same = {id(tensor.held): tensor for tensor in there}

        def placed(leaf):
            if not isinstance(leaf, torch.Tensor):
                return leaf
            return same[id(leaf)] if id(leaf) in same else There(leaf)

        return tree_map(placed, result)


@contextmanager
def pretend_cuda() -> Iterator[CudaGenerator]:
    """Inside, `device="cuda"` works without a GPU, and without gradients; the value is a generator for it."""
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        # The fake mode keeps torch from looking for a driver.
        with torch.no_grad(), FakeTensorMode(), PretendedCuda():
            yield CudaGenerator()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
