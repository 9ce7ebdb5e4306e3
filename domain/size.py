"""What a job needs, by integer arithmetic on its spec, without building the model or importing torch.

Parameters, bytes and floating-point operations, with what the catalog measured of its normalization. An estimate to
refuse the hopeless at once and to plan with; the runner measures the model itself before it allocates anything.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, computed_field

from domain.catalog import Catalog, Variant
from domain.errors import FieldError

__all__ = [
    "MAX_ACTIVATIONS",
    "MAX_PARAMETERS",
    "Memory",
    "Size",
    "estimate_size",
    "oversize",
    "size_of",
    "steps_of",
    "widths",
]

MAX_PARAMETERS = 500_000_000
"""Weights, gradients and two Adam moments in float32 are 8 GB."""
MAX_ACTIVATIONS = 2_000_000_000
"""What one step keeps for the way back: 8 GB in float32."""

FLOAT = 4
INDEX = 8
"""Bytes of a float32, and of the places that pooling and targets are written in."""
UNMEASURED = {"parameters": {"width": 2}, "dense": {"cases*width": 8}, "image": {"cases*width*area": 8}}
"""Of a normalization that nobody measured: a gain and a shift; what comes in and what goes out is kept."""


class Memory(BaseModel):
    """Bytes, everything in float32 as without autocast. What libraries and kernels need besides is not in it."""

    model_config = ConfigDict(frozen=True)

    weights: int = Field(description="With the buffers, such as running means.")
    gradients: int
    optimizer: int = Field(description="The moments that it keeps of each parameter.")
    activations: int = Field(description="What one step, or each of its parts, keeps for the way back.")
    data: int = Field(description="Every case of the dataset with its target; it lies on the device.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.data


class Size(BaseModel):
    """What a run of a job holds, keeps and computes."""

    model_config = ConfigDict(frozen=True)

    parameters: int
    memory: Memory
    flops_per_step: int = Field(
        description="Forward and backward: two for each multiplication and addition of the dense and convolutional "
        "layers; norms, activations and the optimizer are not counted."
    )
    flops: int | None = Field(description="Of the whole budget without evaluations; None for a budget in seconds.")


class Layer(NamedTuple):
    """A weight layer: how many inputs each output has, its outputs (`width` × `area`), what follows it."""

    inputs: int
    width: int
    area: int
    pooled: int
    """Places after pooling; 0 where nothing is pooled."""
    is_dense: bool


def widths(choice: Mapping[str, Any], architecture: Variant) -> Iterator[tuple[list[str | int], int]]:
    """Every width the architecture states, with the keys that lead to it below `architecture`."""
    for option in architecture.fact("widths", ()):
        value = choice.get(option)
        if isinstance(value, int):
            yield [option], value
        elif isinstance(value, (list, tuple)):
            yield from (([option, position], width) for position, width in enumerate(value))


def size_of(spec: Mapping[str, Any], catalog: Catalog) -> Size:
    """The size of a resolved spec, with what the catalog says of its parts."""
    dataset = catalog.variant("datasets", spec["dataset"]["kind"])
    architecture = catalog.variant("architectures", spec["architecture"]["kind"])
    return estimate_size(spec, dataset, architecture, catalog.variant("normalizations", spec["normalization"]["kind"]))


def estimate_size(spec: Mapping[str, Any], dataset: Variant, architecture: Variant, normalization: Variant) -> Size:
    """The size of a resolved spec, layer by layer in the order in which the architecture lists its widths.

    The options an architecture names in `convolutions` hold channels of convolutions (of its option `kernel`), each
    followed by a pooling that halves the picture; every other width is a dense layer. Each is normalized and then
    bent by the activation; a dense layer without either gives the classes.
    """
    training = spec["training"]
    layers = list(_layers(spec["architecture"], architecture, dataset.fact("shape", (1,))))
    classes = int(dataset.fact("classes", 1))
    costs = normalization.fact("costs", UNMEASURED)
    last = layers[-1] if layers else None
    head = (last.width * (last.pooled or last.area) if last else math.prod(dataset.fact("shape", (1,))), classes)
    held = sum(layer.inputs * layer.width + layer.width + _norm(costs, "parameters", layer) for layer in layers)
    held += sum(_norm(costs, "weight_parameters", layer) for layer in layers)
    parameters = held + (head[0] + 1) * classes
    step = _flops(layers, head) * training["batch_size"]
    steps = steps_of(spec, dataset)
    memory = Memory(
        weights=FLOAT * parameters
        + sum(_norm(costs, name, layer) for layer in layers for name in ("buffers", "weight_buffers")),
        gradients=FLOAT * parameters,
        optimizer=FLOAT * parameters * _moments(training["optimizer"]),
        activations=_kept(spec, layers, costs, dataset),
        data=sum(dataset.fact("sizes", {}).values()) * (FLOAT * math.prod(dataset.fact("shape", (1,))) + INDEX),
    )
    flops = None if steps is None else step * steps
    return Size(parameters=parameters, memory=memory, flops_per_step=step, flops=flops)


def steps_of(spec: Mapping[str, Any], dataset: Variant) -> int | None:
    """The optimizer steps of the budget, None where it is in seconds; early stopping may end sooner."""
    budget = spec["training"]["budget"]
    if "steps" in budget:
        return int(budget["steps"])
    cases = int(dataset.fact("sizes", {}).get("train", 0))
    return int(budget["epochs"] * (cases // spec["training"]["batch_size"])) if "epochs" in budget else None


def _layers(choice: Mapping[str, Any], architecture: Variant, shape: Sequence[int]) -> Iterator[Layer]:
    channels, sides = int(shape[0]), [int(side) for side in shape[1:]]
    convolutions = architecture.fact("convolutions", ())
    kernel = int(choice.get("kernel") or 1) ** max(1, len(sides))
    for keys, width in widths(choice, architecture):
        if keys[0] in convolutions:
            area = math.prod(sides)
            sides, is_pooled = ([side // 2 for side in sides], True) if min(sides) > 1 else (sides, False)
            yield Layer(channels * kernel, width, area, math.prod(sides) if is_pooled else 0, is_dense=False)
        else:
            yield Layer(channels * math.prod(sides), width, 1, 0, is_dense=True)
            sides = []
        channels = width


def _norm(costs: Mapping[str, Mapping[str, int]], name: str, layer: Layer, cases: int = 1) -> int:
    """A cost of the normalization behind a layer: the sum of its terms, `cases*width` and so on."""
    values: dict[str, int] = {
        "cases": cases,
        "width": layer.width,
        "area": layer.area,
        "inputs": layer.inputs,
        "one": 1,
    }
    return sum(
        factor * math.prod(values[part] for part in term.split("*")) for term, factor in costs.get(name, {}).items()
    )


def _kept(
    spec: Mapping[str, Any], layers: Sequence[Layer], costs: Mapping[str, Mapping[str, int]], dataset: Variant
) -> int:
    """Bytes one part of a batch keeps: the inputs, what each norm and activation and pooling keeps, and the loss."""
    cases = max(spec["training"]["batch_size"] // spec["training"]["accumulate"], 1)
    # GELU keeps what goes into it and the next layer what comes out; the others keep what the next layer keeps anyway.
    outputs = 2 if spec["architecture"].get("activation") == "gelu" else 1
    kept = cases * (FLOAT * math.prod(dataset.fact("shape", (1,))) + FLOAT * int(dataset.fact("classes", 1)) + INDEX)
    for layer in layers:
        kept += _norm(costs, "dense" if layer.is_dense else "image", layer, cases) + _norm(costs, "weight", layer)
        kept += cases * layer.width * (outputs * FLOAT * layer.area + (FLOAT + INDEX) * layer.pooled)
    if layers and layers[0].is_dense and costs.get("weight"):
        # A wrapped weight is kept for the gradient of its inputs, which here are data.
        kept -= FLOAT * layers[0].inputs * layers[0].width
    return int(kept) + FLOAT


def _flops(layers: Sequence[Layer], head: tuple[int, int]) -> int:
    """Of one case: forward, the weights' gradients, and the inputs' but for the first layer, whose inputs are data."""
    products = [layer.inputs * layer.width * layer.area for layer in layers] + [head[0] * head[1]]
    return 6 * sum(products) - 2 * products[0]


def _moments(optimizer: Mapping[str, Any]) -> int:
    """How many tensors of the parameters' size the optimizer keeps."""
    kind, momentum = optimizer["kind"], optimizer.get("momentum", 0) > 0
    return {"adam": 2, "adamw": 2, "rmsprop": 1 + int(momentum), "sgd": int(momentum)}[str(kind)]


def oversize(
    spec: Mapping[str, Any], dataset: Variant, architecture: Variant, normalization: Variant
) -> Iterator[FieldError]:
    """The ceilings the model breaks, with its numbers."""
    size = estimate_size(spec, dataset, architecture, normalization)
    if size.parameters > MAX_PARAMETERS:
        detail = (
            f"The model would have about {size.parameters} parameters; at most {MAX_PARAMETERS} are allowed. "
            "Make it narrower or shallower."
        )
        yield FieldError(pointer="/architecture", code="resource_limit", detail=detail)
    kept = size.memory.activations // FLOAT
    if kept > MAX_ACTIVATIONS:
        detail = (
            f"One step would keep about {kept} numbers; at most {MAX_ACTIVATIONS} are allowed. "
            "Take a smaller batch, or split it with accumulate."
        )
        yield FieldError(pointer="/training/batch_size", code="resource_limit", detail=detail)
