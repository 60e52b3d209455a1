"""Where a family of layers has its steps: the form that predicts left-out networks best, the plainer one in doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from easiedge.deploy.latency.family import family_coefficients
from easiedge.deploy.latency.surface import CASES, FOLDS, Form, Samples, Surface

ALIGNMENTS = ((1, 1), (4, 4), (8, 8), (16, 16), (4, 8), (4, 16), (8, 16))
NO_STEPS = (1,) * CASES
STEPS = (*((*NO_STEPS[1:], step) for step in (8, 16)), *((step,) * CASES for step in (4, 8, 16)))
_FINALISTS = 2  # alignments that are tried with steps
_PLAINER = 1.05  # a plainer form may be so much worse on left-out networks
_HOPELESS = 0.3  # relative errors above count no more: they come from cases with too few samples


def best_form(measured: Mapping[str, Samples]) -> Form:
    """The form of one family's kinds with the smallest squared relative error on left-out networks.

    Alignments are compared without steps; the best go on with steps: on the widths that are multiples of both numbers, where
    the fast roads are, or everywhere.
    """
    plain = [Form(alignment, NO_STEPS) for alignment in ALIGNMENTS]
    errors = [_left_out_error(measured, form) for form in plain]
    best = _plainest(errors)
    finalists = [best, *(i for i in np.argsort(errors) if i != best)][:_FINALISTS]
    stepped = [Form(ALIGNMENTS[i], steps) for i in finalists for steps in STEPS]
    forms = [plain[best], *stepped]
    return forms[_plainest([errors[best], *(_left_out_error(measured, form) for form in stepped)])]


def _plainest(errors: Sequence[float]) -> int:
    return int(np.argmax(np.array(errors) <= _PLAINER * min(errors) + 1e-12))


def _left_out_error(measured: Mapping[str, Samples], form: Form) -> float:
    error = 0.0
    for fold in range(FOLDS):
        seen = {kind: _of(s, s.network % FOLDS != fold) for kind, s in measured.items()}
        if not all(len(s.ms) for s in seen.values()):
            continue
        found = family_coefficients(seen, form)
        for kind, s in measured.items():
            new = _of(s, s.network % FOLDS == fold)
            off = Surface(kind, form, found[kind], new).ms(new.inputs, new.outputs) / new.ms - 1
            error += float((np.minimum(np.abs(off), _HOPELESS) ** 2).sum())
    return error


def _of(samples: Samples, chosen: NDArray[np.bool_]) -> Samples:
    return Samples(samples.network[chosen], samples.inputs[chosen], samples.outputs[chosen], samples.ms[chosen])
