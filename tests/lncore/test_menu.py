"""The menu: listing, loading and describing variants, and what it says to a wrong name or option."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from torch import nn

from lncore import menu
from lncore.options import Length, OptionError, Range, Rule, checked


def test_listing_imports_nothing() -> None:
    code = (
        "import sys; from lncore import menu; listed = menu.norms(); assert 'rms_norm' in listed; "
        "assert 'torch' not in sys.modules and 'lncore.norms' not in sys.modules, 'listing imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_importing_lncore_and_a_norm_touches_neither_cuda_nor_triton() -> None:
    code = (
        "import sys, lncore, torch; from lncore import menu; menu.normalization('layer_norm')(8)(torch.ones(2, 8)); "
        "assert not torch.cuda.is_initialized(); assert 'triton' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(menu.UnknownVariantError, match="Did you mean layer_norm"):
        menu.normalization("layernorm")


def test_a_name_near_nothing_is_answered_with_the_list() -> None:
    with pytest.raises(menu.UnknownVariantError, match=r"There are: .*rms_norm"):
        menu.normalization("zzzzzz")


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(OptionError, match="Did you mean eps"):
        menu.normalization("layer_norm", epsilon=1e-5)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"eps": -1e-5}, "at least 0"),
        ({"eps": float("nan")}, "at least 0"),
        ({"eps": "small"}, "type float"),
        ({"eps": True}, "type float"),
        ({"bias": 1}, "type bool"),
        ({"image_axes": "hw"}, "one of 'chw', 'c'"),
    ],
)
def test_a_value_outside_its_bounds_is_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        menu.normalization("layer_norm", **options)
    with pytest.raises(OptionError, match=sentence):
        menu.load("lncore.norms", "layer_norm")(8, **options)


def test_groups_that_do_not_divide_are_refused_with_those_that_would() -> None:
    with pytest.raises(ValueError, match=r"7 groups don't divide a width of 12.*6"):
        menu.normalization("group_norm", groups=7)(12)


def test_a_factory_leaves_weight_layers_alone_unless_the_variant_acts_on_weights() -> None:
    layer = nn.Linear(3, 4)
    assert menu.normalization("layer_norm").reparametrize(layer) is layer


def test_only_norms_over_the_batch_make_a_bias_before_them_redundant() -> None:
    assert menu.normalization("batch_norm").affine_bias
    assert not menu.normalization("layer_norm").affine_bias


@pytest.mark.parametrize("name", menu.norms())
def test_every_variant_describes_itself_completely(name: str) -> None:
    description = menu.describe(menu.load("lncore.norms", name))
    assert json.loads(json.dumps(description)) == description
    for field in ("summary", "formula", "paper", "axes", "helps", "hurts"):
        assert description[field], f"{name} says nothing about {field}"
    for option, told in description["options"].items():
        assert told["doc"], option
        assert told["default"] is not None or told["nullable"], option


@pytest.mark.parametrize("name", ["batch_norm", "batch_renorm", "power_norm"])
def test_statistics_over_the_batch_ask_for_a_batch_of_two(name: str) -> None:
    rules = menu.describe(menu.load("lncore.norms", name))["rules"]
    assert ("training.batch_size", "ge", 2) in [(rule["path"], rule["op"], rule["value"]) for rule in rules]


class Sample:
    """A thing with every kind of option.

    More words.

    Formula: a
        and b
    Options:
        hidden: the widths, one per layer
        rate: how much; the sentence
            goes on
        mode: which
        seed: optional
    Hurts: never
    """

    rules = (Rule("training.batch_size", "in", [1, 2], "one or two"),)

    @checked
    def __init__(
        self,
        inputs: int,
        *,
        hidden: Annotated[list[Annotated[int, Range(ge=1, le=64)]], Length(ge=1, le=3)] = (8, 8),  # type: ignore[assignment]
        rate: Annotated[float, Range(gt=0, lt=1)] = 0.5,
        mode: Literal["a", "b"] = "a",
        seed: int | None = None,
    ) -> None:
        self.values = (inputs, hidden, rate, mode, seed)


def test_describe_reads_lists_choices_and_optional_values() -> None:
    told = menu.describe(Sample)
    assert told["formula"] == "a and b"
    assert told["rules"][0]["op"] == "in"
    hidden, rate, mode, seed = (told["options"][name] for name in ("hidden", "rate", "mode", "seed"))
    assert (hidden["type"], hidden["default"], hidden["length"]) == ("list[int]", [8, 8], {"ge": 1, "le": 3})
    assert hidden["items"]["bounds"] == {"ge": 1, "le": 64}
    assert (rate["bounds"], rate["doc"]) == ({"gt": 0, "lt": 1}, "how much; the sentence goes on")
    assert mode["choices"] == ["a", "b"]
    assert seed["nullable"]
    assert seed["default"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden": []}, "0 items, but must have at least 1"),
        ({"hidden": [1, 2, 3, 4]}, "4 items"),
        ({"hidden": [1, 65]}, r"hidden\[1\] is 65"),
        ({"hidden": 8}, "list"),
        ({"rate": 1.0}, "above 0 and below 1"),
        ({"seed": 1.5}, "type int"),
    ],
)
def test_a_checked_constructor_refuses_what_its_annotations_exclude(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        Sample(1, **options)  # type: ignore[arg-type]


def test_an_option_without_a_line_of_meaning_is_an_error() -> None:
    class Silent:
        """Says nothing of its option."""

        def __init__(self, *, loud: bool = False) -> None: ...

    with pytest.raises(ValueError, match="loud is missing in the Options"):
        menu.describe(Silent)
