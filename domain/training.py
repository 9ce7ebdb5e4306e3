"""How a job is trained: batch, budget, optimizer, schedule, precision, and how often it evaluates and saves.

Everything that is not a variant of a menu lives here. Numbers are strict: a boolean is no number, a text is no number,
a whole number may stand where a fractional one is meant, NaN and infinity are refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Adam",
    "AdamW",
    "Budget",
    "Constant",
    "EarlyStopping",
    "Every",
    "Optimizer",
    "RmsProp",
    "Schedule",
    "Sgd",
    "StepDecay",
    "TrainingSpec",
    "WarmupCosine",
]

MAX_STEPS = 10_000_000
MAX_EPOCHS = 10_000
MAX_SECONDS = 7 * 24 * 3600
MAX_BATCH = 65_536


def _absent(value: object) -> bool:
    return value is None


class Strict(BaseModel):
    """Base of everything people send: immutable, unknown keys refused, no silent conversion, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Epochs = Annotated[float, Field(gt=0, le=MAX_EPOCHS)]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
# −0.0 + 0.0 is 0.0: two ways to write nothing must not be two specs.
Unsigned = Annotated[float, AfterValidator(lambda value: value + 0.0)]
Rate = Annotated[Unsigned, Field(ge=0, le=100)]
Share = Annotated[Unsigned, Field(ge=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0, le=1)]


class _OneOf(Strict):
    """An amount in exactly one unit, written `{steps: 500}`; the unit that is not given is absent from the JSON too."""

    units: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="after")
    def _exactly_one(self) -> "_OneOf":
        given = [unit for unit in self.units if getattr(self, unit) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(self.units)}; {len(given)} are given")
        return self

    @property
    def unit(self) -> str:
        """The unit that is given: steps, epochs or seconds."""
        return next(unit for unit in self.units if getattr(self, unit) is not None)

    @property
    def amount(self) -> float:
        """How much, in `unit`."""
        return float(getattr(self, self.unit))


class Budget(_OneOf):
    """How long a run trains: optimizer steps, passes over the training data, or seconds of training."""

    units: ClassVar[tuple[str, ...]] = ("steps", "epochs", "seconds")
    steps: Steps | None = Field(default=None, exclude_if=_absent)
    epochs: Epochs | None = Field(default=None, exclude_if=_absent)
    seconds: Seconds | None = Field(default=None, exclude_if=_absent)


class Every(_OneOf):
    """How often something happens: every so many optimizer steps, or passes over the training data."""

    units: ClassVar[tuple[str, ...]] = ("steps", "epochs")
    steps: Steps | None = Field(default=None, exclude_if=_absent)
    epochs: Epochs | None = Field(default=None, exclude_if=_absent)


class SaveEvery(_OneOf):
    """How often a checkpoint is saved: every so many optimizer steps, or seconds."""

    units: ClassVar[tuple[str, ...]] = ("steps", "seconds")
    steps: Steps | None = Field(default=None, exclude_if=_absent)
    seconds: Seconds | None = Field(default=None, exclude_if=_absent)


class Sgd(Strict):
    """Stochastic gradient descent, with momentum as in torch."""

    kind: Literal["sgd"] = "sgd"
    lr: Rate = 0.1
    momentum: Share = 0.0
    nesterov: bool = False
    weight_decay: Rate = 0.0

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "Sgd":
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Adam(Strict):
    """Adam; `weight_decay` is added to the gradient (L2), not decoupled."""

    kind: Literal["adam"] = "adam"
    lr: Rate = 1e-3
    betas: Annotated[tuple[Share, Share], Field(strict=False)] = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: Rate = 0.0


class AdamW(Strict):
    """Adam with decoupled weight decay."""

    kind: Literal["adamw"] = "adamw"
    lr: Rate = 1e-3
    betas: Annotated[tuple[Share, Share], Field(strict=False)] = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: Rate = 0.01


class RmsProp(Strict):
    """RMSprop as in torch: `alpha` is the share of the past in the running square."""

    kind: Literal["rmsprop"] = "rmsprop"
    lr: Rate = 1e-3
    alpha: Share = 0.99
    eps: Epsilon = 1e-8
    momentum: Share = 0.0
    weight_decay: Rate = 0.0


Optimizer = Annotated[Sgd | Adam | AdamW | RmsProp, Field(discriminator="kind")]


class Constant(Strict):
    """The same learning rate throughout, after an optional linear warm-up of `warmup` steps."""

    kind: Literal["constant"] = "constant"
    warmup: Annotated[int, Field(ge=0, le=MAX_STEPS)] = 0


class WarmupCosine(Strict):
    """Linear warm-up over `warmup` steps, then a half cosine down to `floor` × lr at the end of the budget."""

    kind: Literal["warmup_cosine"] = "warmup_cosine"
    warmup: Annotated[int, Field(ge=0, le=MAX_STEPS)] = 0
    floor: Annotated[Unsigned, Field(ge=0, le=1)] = 0.0


class StepDecay(Strict):
    """The learning rate times `factor` after every `every` steps."""

    kind: Literal["step"] = "step"
    every: Steps
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    warmup: Annotated[int, Field(ge=0, le=MAX_STEPS)] = 0


Schedule = Annotated[Constant | WarmupCosine | StepDecay, Field(discriminator="kind")]


class EarlyStopping(Strict):
    """Stop when `metric` has not improved by `min_delta` over `patience` evaluations."""

    metric: Annotated[str, Field(max_length=100)] = "validation_loss"
    patience: Annotated[int, Field(ge=1, le=10_000)]
    min_delta: Annotated[Unsigned, Field(ge=0, le=1e6)] = 0.0


class TrainingSpec(Strict):
    """How the model is trained. `batch_size` counts cases per optimizer step, split into `accumulate` equal parts."""

    batch_size: Annotated[int, Field(ge=1, le=MAX_BATCH)]
    budget: Budget
    optimizer: Optimizer = Adam()
    schedule: Schedule = Constant()
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    deterministic: bool = True
    evaluate_every: Every = Every(epochs=1.0)
    checkpoint_every: SaveEvery = SaveEvery(seconds=30.0)
    clip_norm: Annotated[float, Field(gt=0, le=1e6)] | None = None
    accumulate: Annotated[int, Field(ge=1, le=1024)] = 1
    early_stopping: EarlyStopping | None = None
    compile: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    time_limit: Seconds | None = Field(default=None, exclude_if=_absent)
    """Seconds a run may take, all its attempts and everything they do counted. A run that isn't done by then fails; a
    budget in seconds ends well instead."""

    @model_validator(mode="after")
    def _the_budget_fits_the_time_limit(self) -> "TrainingSpec":
        seconds = self.budget.seconds
        if self.time_limit is not None and seconds is not None and seconds >= self.time_limit:
            raise ValueError(f"time_limit ({self.time_limit:g} s) must be above the budget ({seconds:g} s)")
        return self


def optimizer_menu() -> Mapping[str, type[Strict]]:
    """The optimizers by name, for forms and documents."""
    return _menu(Sgd, Adam, AdamW, RmsProp)


def schedule_menu() -> Mapping[str, type[Strict]]:
    """The schedules by name, for forms and documents."""
    return _menu(Constant, WarmupCosine, StepDecay)


def _menu(*variants: Any) -> dict[str, type[Strict]]:
    return {variant.model_fields["kind"].default: variant for variant in variants}
