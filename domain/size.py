"""How large a model can get, by integer arithmetic on its spec, without building it or importing torch.

An estimate to refuse the hopeless at once; the runner measures the model itself before it allocates anything.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.catalog import Catalog, Variant
from domain.errors import FieldError

__all__ = ["MAX_ACTIVATIONS", "MAX_PARAMETERS", "Size", "estimate_size", "oversize", "size_of", "widths"]

MAX_PARAMETERS = 500_000_000
"""Weights, gradients and two Adam moments in float32 are 8 GB."""
MAX_ACTIVATIONS = 2_000_000_000
"""What one step keeps for the way back: 8 GB in float32."""


class Size(BaseModel):
    """Numbers a model holds, and numbers one step keeps for the way back."""

    model_config = ConfigDict(frozen=True)

    parameters: int
    activations: int


def widths(choice: Mapping[str, Any], architecture: Variant) -> Iterator[tuple[list[str | int], int]]:
    """Every width the architecture states, with the keys that lead to it below `architecture`."""
    for option in architecture.fact("widths", ()):
        value = choice.get(option)
        if isinstance(value, int):
            yield [option], value
        elif isinstance(value, (list, tuple)):
            yield from (([option, position], width) for position, width in enumerate(value))


def size_of(spec: Mapping[str, Any], catalog: Catalog) -> Size:
    """The size of the model of a resolved spec, with what the catalog says of its parts."""
    dataset = catalog.variant("datasets", spec["dataset"]["kind"])
    return estimate_size(spec, dataset, catalog.variant("architectures", spec["architecture"]["kind"]))


def estimate_size(spec: Mapping[str, Any], dataset: Variant, architecture: Variant) -> Size:
    """The size of the model of a resolved spec, layer by layer in the order in which the architecture lists its widths.

    The options an architecture names in `convolutions` hold channels of convolutions (of its option `kernel`), each
    followed by a pooling that halves the picture; every other width is a dense layer.
    """
    shape = [int(side) for side in dataset.fact("shape", (1,))]
    area = math.prod(shape[1:])
    sides, channels = shape[1:], shape[0]
    convolutions = architecture.fact("convolutions", ())
    kernel = int(spec["architecture"].get("kernel") or 1) ** max(1, len(sides))
    parameters = activations = 0
    for keys, width in widths(spec["architecture"], architecture):
        if keys[0] in convolutions:
            parameters += channels * width * kernel + 3 * width
            activations += width * area
            sides = [max(1, side // 2) for side in sides]
            area, channels = math.prod(sides), width
        else:
            parameters += channels * area * width + 3 * width
            activations += width
            area, channels = 1, width
    parameters += (channels * area + 1) * int(dataset.fact("classes", 1))
    batch = spec["training"]["batch_size"] // spec["training"]["accumulate"]
    # Before the norm, after it, and after the activation.
    return Size(parameters=parameters, activations=3 * activations * batch)


def oversize(spec: Mapping[str, Any], dataset: Variant, architecture: Variant) -> Iterator[FieldError]:
    """The ceilings the model breaks, with its numbers."""
    size = estimate_size(spec, dataset, architecture)
    if size.parameters > MAX_PARAMETERS:
        detail = (
            f"The model would have about {size.parameters} parameters; at most {MAX_PARAMETERS} are allowed. "
            "Make it narrower or shallower."
        )
        yield FieldError(pointer="/architecture", code="resource_limit", detail=detail)
    if size.activations > MAX_ACTIVATIONS:
        detail = (
            f"One step would keep about {size.activations} numbers; at most {MAX_ACTIVATIONS} are allowed. "
            "Take a smaller batch, or split it with accumulate."
        )
        yield FieldError(pointer="/training/batch_size", code="resource_limit", detail=detail)
