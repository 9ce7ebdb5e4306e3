"""What the public functions refuse, before a kernel follows a pointer: the wrong type, a wrong size, an ε below zero.

Every call pays for these questions, so they are few and plain; the words are looked for once one has failed.
"""

import math

from torch import Tensor

from lncore.layer import alike, check_groups


def check(name: str, x: Tensor, axis: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> None:
    """Raise TypeError or ValueError unless `name` may normalize x, whose features lie on `axis`, with the others."""
    try:
        width = x.shape[axis]
        wrong = (
            not x.is_floating_point()
            or (weight is not None and (weight.shape != (width,) or not weight.is_floating_point()))
            or (bias is not None and (bias.shape != (width,) or not bias.is_floating_point()))
            or not 0.0 <= eps < math.inf
        )
    except IndexError:
        raise ValueError(f"{name} got x of the shape {tuple(x.shape)}, which has no axis of features.") from None
    except TypeError:  # ε can't be compared with numbers
        wrong = True
    if wrong:
        raise _objection(name, x, width, {"weight": weight, "bias": bias}, eps)


def _objection(name: str, x: Tensor, width: int, parameters: dict[str, Tensor | None], eps: float) -> Exception:
    if not x.is_floating_point():
        return TypeError(f"{name} got {x.dtype}, but takes floating point numbers only: use x.float().")
    for label, parameter in parameters.items():
        if parameter is not None and parameter.shape != (width,):
            return ValueError(
                f"{name} got a {label} of the shape {tuple(parameter.shape)} for x of the shape {tuple(x.shape)} "
                f"with {width} features: make it ({width},)."
            )
        if parameter is not None and not parameter.is_floating_point():
            return TypeError(f"{name} got a {label} of {parameter.dtype}: use {label}.float().")
    return ValueError(f"{name}: eps is {eps!r}, but must be a number of at least 0.")


def check_residual(name: str, x: Tensor, residual: Tensor) -> None:
    """Raise ValueError unless `residual` has the shape and the type of x."""
    if not alike(x, residual):
        raise ValueError(
            f"{name} got a residual of {residual.dtype} and the shape {tuple(residual.shape)} for x of {x.dtype} and "
            f"the shape {tuple(x.shape)}: make them alike, or add them first."
        )


def check_alpha(alpha: Tensor) -> None:
    """Raise TypeError unless `alpha` is a tensor, ValueError unless that is a single number."""
    if not isinstance(alpha, Tensor):
        raise TypeError(f"dyt got an alpha of type {type(alpha).__name__}: make it a tensor, of the shape ().")
    if alpha.numel() != 1 or alpha.dim() > 1:
        raise ValueError(f"dyt got an alpha of the shape {tuple(alpha.shape)}: make it one number, of the shape ().")


def check_channel_groups(x: Tensor, groups: int) -> None:
    """Raise ValueError unless `groups` is a whole number of at least 1 that divides the channels of x."""
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ValueError(f"group_norm: groups is {groups!r}, but must be a whole number of at least 1.")
    check_groups("group_norm", x.shape[1], groups)
