"""A network that runs on sparse matrices: PyTorch's CSR product in place of convolutions and linear layers.

A convolution is lowered: the input patches as columns ``[inputs * kernel, positions]``, and the sparse weight times them.  PyTorch has sparse
products for matrices alone, so this is what sparse weights cost in it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from easiedge.errors import ModelError
from easiedge.weights.matrix_form import weight_matrix


class SparseLinear(nn.Module):
    """``y = W x + b`` with a CSR matrix W ``[outputs, inputs]``; for inference."""

    def __init__(self, layer: nn.Linear, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", csr(matrix), persistent=False)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """``[..., inputs]`` to ``[..., outputs]``."""
        weight = cast("Tensor", self.weight)
        y = (weight @ x.reshape(-1, x.shape[-1]).mT).mT
        y = y if self.bias is None else y + self.bias
        return y.reshape(*x.shape[:-1], weight.shape[0])


class SparseConv2d(nn.Module):
    """A two-dimensional convolution as ``W`` times the input patches, W a CSR matrix ``[outputs, inputs * kernel]``; for inference."""

    def __init__(self, layer: nn.Conv2d, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", csr(matrix), persistent=False)
        self.bias = layer.bias
        self.kernel_size, self.stride, self.dilation = layer.kernel_size, layer.stride, layer.dilation
        self.padding = cast("tuple[int, int]", layer.padding)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, inputs, height, width]`` to ``[batch, outputs, height, width]``."""
        weight, sizes = cast("Tensor", self.weight), []
        for d in range(2):
            extent = self.dilation[d] * (self.kernel_size[d] - 1) + 1
            sizes.append((x.shape[2 + d] + 2 * self.padding[d] - extent) // self.stride[d] + 1)
        columns = F.unfold(x, self.kernel_size, self.dilation, self.padding, self.stride)
        y = weight @ columns.movedim(0, 1).reshape(columns.shape[1], -1)
        y = y.reshape(weight.shape[0], len(x), *sizes).movedim(1, 0).contiguous()  # laid out as a dense layer does
        return y if self.bias is None else y + self.bias[:, None, None]


def sparse_network(network: nn.Module, layers: Sequence[str]) -> nn.Module:
    """A copy of ``network`` in eval mode whose ``layers`` compute with sparse matrices.

    Raises:
        ModelError: a layer that has no weight matrix, or a convolution that is not lowered here.
    """
    sparse = copy.deepcopy(network).eval()
    for name in layers:
        matrix, module = weight_matrix(network, name), sparse.get_submodule(name)
        made: nn.Module
        if isinstance(module, nn.Linear):
            made = SparseLinear(module, matrix)
        elif (
            not isinstance(module, nn.Conv2d)
            or module.groups > 1
            or module.padding_mode != "zeros"
            or isinstance(module.padding, str)
        ):
            raise ModelError(
                f"layer {name!r} cannot run sparsely: only linear layers and two-dimensional convolutions of one group "
                "with zero padding are products of one matrix; leave it dense"
            )
        else:
            made = SparseConv2d(module, matrix)
        sparse.set_submodule(name, made)
    return sparse


def csr(matrix: Tensor) -> Tensor:
    """``matrix`` in PyTorch's CSR form."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ss]parse.*", category=UserWarning)  # that it is in beta
        return matrix.contiguous().to_sparse_csr()
