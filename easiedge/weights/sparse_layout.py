r"""Sparse matrices as arrays of values and indices, and the bytes that they take.

    dense: rows * columns * v
    COO:   nonzeros * (v + r + c)                   a row and a column for each value
    CSR:   nonzeros * (v + c) + (rows + 1) * s      a column for each value, and where each row begins

with v, r, c, s the bytes of a value, a row number, a column number and a place among the values.  Indices take the narrowest integers that
hold them unless a width is asked for; PyTorch itself takes 8 bytes each.  With 4-byte values and 2-byte indices CSR is smaller than dense
storage from 1/3 of zeros on, with 8-byte indices from 2/3.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from easiedge.errors import EasiEdgeError, ModelError

LAYOUTS = ("coo", "csr")
_WIDTHS = (torch.uint8, torch.uint16, torch.int32, torch.int64)
_FIELDS = {"coo": ("values", "rows", "columns"), "csr": ("values", "starts", "columns")}


def to_sparse(matrix: Tensor, layout: str, index: torch.dtype | None = None) -> dict[str, Tensor]:
    """The non-zero entries of ``matrix`` ``[rows, columns]`` as arrays, row by row.

    Args:
        matrix: dense.
        layout: ``"coo"`` (values, rows, columns) or ``"csr"`` (values, starts, columns).
        index: of the indices; the narrowest that holds them by default.

    Raises:
        EasiEdgeError: unknown layout, or indices that ``index`` does not hold.
    """
    if layout not in LAYOUTS:
        raise EasiEdgeError(f"unknown sparse layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    rows, columns = matrix.nonzero(as_tuple=True)
    values = matrix[rows, columns].contiguous()
    found = {"values": values, "columns": _indices(columns, matrix.shape[1] - 1, index)}
    if layout == "coo":
        return found | {"rows": _indices(rows, matrix.shape[0] - 1, index)}
    starts = torch.zeros(len(matrix) + 1, dtype=torch.int64, device=matrix.device)
    starts[1:] = torch.bincount(rows, minlength=len(matrix)).cumsum(0)
    return found | {"starts": _indices(starts, len(values), index)}


def to_dense(arrays: Mapping[str, Tensor], layout: str, shape: tuple[int, int]) -> Tensor:
    """The matrix ``[rows, columns]`` that `to_sparse` was given.

    Raises:
        ModelError: the arrays are no matrix of that shape.
    """
    fields = _FIELDS.get(layout)
    if fields is None or any(f not in arrays or arrays[f].ndim != 1 for f in fields):
        raise ModelError(f"a sparse weight lacks {', '.join(fields or LAYOUTS)}: store the network again")
    if any(arrays[f].dtype not in _WIDTHS for f in fields[1:]):
        raise ModelError("the indices of a sparse weight are no whole numbers: store the network again")
    values, columns = arrays["values"], arrays["columns"].long()
    if layout == "csr":
        starts = arrays["starts"].long()
        counts = starts.diff()
        whole = len(starts) == shape[0] + 1 and not bool((counts < 0).any()) and int(starts[0]) == 0
        if not whole or int(starts[-1]) != len(values):
            raise ModelError("the rows of a sparse weight do not add up to its values: store the network again")
        rows = torch.arange(shape[0]).repeat_interleave(counts)
    else:
        rows = arrays["rows"].long()
    inside = len(rows) == len(columns) == len(values)
    for index, size in ((rows, shape[0]), (columns, shape[1])):
        inside = inside and (not len(index) or (int(index.min()) >= 0 and int(index.max()) < size))
    if not inside:
        raise ModelError(f"the indices of a sparse weight do not fit its shape {list(shape)}: store the network again")
    matrix = values.new_zeros(shape)
    matrix[rows, columns] = values
    return matrix


def array_bytes(arrays: Mapping[str, Tensor]) -> int:
    """Bytes of all arrays."""
    return sum(a.numel() * a.element_size() for a in arrays.values())


def _indices(index: Tensor, highest: int, dtype: torch.dtype | None) -> Tensor:
    if dtype is not None and (dtype not in _WIDTHS or highest > torch.iinfo(dtype).max):
        raise EasiEdgeError(
            f"indices up to {highest} do not fit {dtype}: leave the width out, and the narrowest is taken"
        )
    return index.to(dtype or next(d for d in _WIDTHS if highest <= torch.iinfo(d).max))
