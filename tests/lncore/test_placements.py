"""Placements: the formula of each, its initialization, and what theory says about depth before any training."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lncore
from lncore import menu
from lncore.options import OptionError
from lncore.placement import Placement
from lncore.residual import Trunk
from tests.lncore.variants import inputs

NAMES = menu.names(Path(lncore.__file__).parent / "placements")
WIDTH = 8
NORM = menu.normalization("layer_norm_simple")


def placed(name: str, layers: int = 4, **options: Any) -> Any:
    return menu.load("lncore.placements", name)(layers, **options)


def ln(x: Tensor) -> Tensor:
    return nn.functional.layer_norm(x, x.shape[-1:])


def branch_of(x: Tensor) -> Tensor:
    return torch.sin(3 * x)


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return branch_of(x)


ALPHA = 8**0.25
FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "pre": lambda x: x + branch_of(ln(x)),
    "post": lambda x: ln(x + branch_of(x)),
    "sandwich": lambda x: x + ln(branch_of(ln(x))),
    "peri": lambda x: x + ln(branch_of(ln(x))),
    "deepnorm": lambda x: ln(ALPHA * x + branch_of(x)),
    "layernorm_scaling": lambda x: x + branch_of(ln(x) / math.sqrt(3)),
    "mix": lambda x: x + branch_of(ln(x)),
    "rezero": lambda x: x,
    "layerscale": lambda x: x + 0.1 * branch_of(ln(x)),
    "none": lambda x: x + branch_of(x),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_block_is_the_papers_formula(name: str) -> None:
    x = inputs((5, 3, WIDTH))
    block = placed(name).around(Branch(), 2, WIDTH, NORM)
    torch.testing.assert_close(block(x), FORMULAS[name](x))


@pytest.mark.parametrize("name", NAMES)
def test_a_placement_describes_itself(name: str) -> None:
    told = menu.describe(menu.load("lncore.placements", name))
    assert told["formula"]
    assert told["paper"]
    assert told["helps"]
    assert told["hurts"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["layer_norm", "batch_norm", "group_norm", "dyt", "scale_norm", "weight_norm"])
def test_norms_of_every_sort_stand_in_every_placement(name: str, kind: str) -> None:
    options = {"groups": 2} if kind in {"group_norm", "evonorm_s0"} else {}
    placement = placed(name)
    norm = menu.normalization(kind, **options)
    parts = [placement.after_embedding(WIDTH, norm)]
    parts += [placement.around(nn.Linear(WIDTH, WIDTH), layer, WIDTH, norm) for layer in range(4)]
    network = nn.Sequential(*parts, placement.before_head(WIDTH, norm))
    y = network(inputs((6, 3, WIDTH)))
    y.square().sum().backward()
    assert y.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_blocks_take_images_too(name: str) -> None:
    block = placed(name).around(nn.Conv2d(8, 8, 3, padding=1), 0, 8, menu.normalization("batch_norm"))
    assert block(inputs((3, 8, 5, 5))).shape == (3, 8, 5, 5)


@pytest.mark.parametrize("norm", ["layer_norm", "rms_norm", "batch_norm", "none"])
@pytest.mark.parametrize("name", NAMES)
def test_a_trunk_is_its_blocks_in_a_row(name: str, norm: str) -> None:
    """Sums taken together with the next norm: the same outputs and gradients."""
    make = menu.normalization(norm)
    placement = placed(name)
    blocks = [placement.around(nn.Linear(WIDTH, WIDTH), layer, WIDTH, make) for layer in range(4)]
    last = placement.before_head(WIDTH, make)
    parameters = [parameter for block in blocks for parameter in block.parameters()]
    results = []
    for network in (nn.Sequential(*blocks, last), Trunk(blocks, last)):
        x = inputs((5, 3, WIDTH)).requires_grad_()
        y = network(x)
        results.append((y, *torch.autograd.grad((y * inputs((5, 3, WIDTH), 2)).sum(), [x, *parameters])))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_blocks_pass_further_arguments_to_their_branches() -> None:
    class Masked(nn.Module):
        def forward(self, x: Tensor, mask: Tensor, *, factor: float) -> Tensor:
            return x * mask * factor

    x, mask = inputs((5, WIDTH)), inputs((5, 1), 2)
    for name in ("pre", "post"):
        block = placed(name).around(Masked(), 0, WIDTH, NORM)
        torch.testing.assert_close(Trunk([block])(x, mask, factor=2.0), block(x, mask, factor=2.0))


def test_only_some_placements_normalize_the_embedding_and_the_end() -> None:
    after = {name for name in NAMES if not isinstance(placed(name).after_embedding(WIDTH, NORM), nn.Identity)}
    before = {name for name in NAMES if not isinstance(placed(name).before_head(WIDTH, NORM), nn.Identity)}
    assert after == {"peri"}
    assert before == {"pre", "sandwich", "peri", "layernorm_scaling", "mix", "layerscale"}


def test_mix_is_post_norm_in_its_first_quarter() -> None:
    x = inputs((5, WIDTH))
    torch.testing.assert_close(placed("mix").around(Branch(), 0, WIDTH, NORM)(x), FORMULAS["post"](x))
    torch.testing.assert_close(placed("mix").around(Branch(), 1, WIDTH, NORM)(x), FORMULAS["pre"](x))
    torch.testing.assert_close(placed("mix", share=0.5).around(Branch(), 1, WIDTH, NORM)(x), FORMULAS["post"](x))


@pytest.mark.parametrize(("layers", "initial"), [(12, 0.1), (24, 1e-5), (36, 1e-6)])
def test_layerscale_starts_by_depth(layers: int, initial: float) -> None:
    block = placed("layerscale", layers).around(Branch(), 0, WIDTH, NORM)
    torch.testing.assert_close(block.gate, torch.full((WIDTH,), initial))


def test_deepnorm_scales_the_branches_weights() -> None:
    weight = nn.Parameter(torch.ones(3, 3))
    placed("deepnorm", 2).initialize([weight])
    torch.testing.assert_close(weight.detach(), torch.full((3, 3), 16**-0.25))


@pytest.mark.parametrize("part", ["alone", "encoder", "decoder"])
def test_deepnorm_weighs_and_scales_by_the_constants_of_its_part(part: str) -> None:
    placement = placed("deepnorm", part=part)
    x, weight = inputs((5, WIDTH)), torch.ones(3, 3)
    placement.initialize([weight])
    torch.testing.assert_close(weight, torch.full((3, 3), placement.beta))
    block = placement.around(Branch(), 0, WIDTH, NORM)
    torch.testing.assert_close(block(x), ln(placement.alpha * x + branch_of(x)))


def test_an_encoder_has_a_decoder_as_deep_as_itself_unless_told() -> None:
    wanted = placed("deepnorm", 12, part="encoder", decoder_layers=12)
    assert placed("deepnorm", 12, part="encoder").alpha == wanted.alpha


@pytest.mark.parametrize("part", ["alone", "decoder"])
def test_layers_of_a_decoder_are_told_to_the_encoder_only(part: str) -> None:
    with pytest.raises(OptionError, match='it belongs to part="encoder"'):
        placed("deepnorm", part=part, decoder_layers=3)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("deepnorm", {"part": "both"}, "DeepNorm: part is 'both', but must be one of 'alone', 'encoder', 'decoder'"),
        ("deepnorm", {"part": "encoder", "decoder_layers": 0}, "decoder_layers is 0, but must be at least 1"),
        ("mix", {"share": 1.5}, "Mix: share is 1.5, but must be at least 0 and at most 1"),
        ("layerscale", {"initial": -1.0}, "LayerScale: initial is -1.0, but must be at least 0 and at most 1"),
    ],
)
def test_an_option_outside_its_bounds_is_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        placed(name, **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no layer 4"):
        placed(name).around(Branch(), 4, WIDTH, NORM)
    with pytest.raises(ValueError, match=r"no layer 1\.0"):
        placed(name).around(Branch(), 1.0, WIDTH, NORM)
    with pytest.raises(ValueError, match="at least 1"):
        placed(name, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_branch_that_changes_the_width_is_refused_with_both_shapes(name: str) -> None:
    block = placed(name).around(nn.Linear(WIDTH, WIDTH + 1), 0, WIDTH, NORM)
    with pytest.raises(ValueError, match=r"\(5, 9\).*must keep its input's shape|width 8 got 9 features"):
        block(inputs((5, WIDTH)))


class AverageAttention(nn.Module):
    """Attention with query and key weights at zero, as Xiong et al. 2020 analyse it: the mean of the values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.value = nn.Linear(width, width, bias=False)
        nn.init.xavier_normal_(self.value.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x.mean(1, keepdim=True).expand_as(x))


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, width, bias=False)
        self.down = nn.Linear(width, width, bias=False)
        for layer in (self.up, self.down):
            nn.init.xavier_normal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(torch.relu(self.up(x)))


def transformer(name: str, layers: int, width: int) -> tuple[Placement, list[nn.Module]]:
    torch.manual_seed(0)
    placement = placed(name, layers)
    blocks = []
    for layer in range(layers):
        blocks.append(placement.around(AverageAttention(width), layer, width, NORM))
        blocks.append(placement.around(FeedForward(width), layer, width, NORM))
    return placement, blocks


def squared_lengths(name: str, layers: int, width: int = 256) -> list[float]:
    """E‖x_l‖² after each layer, divided by the width."""
    x, lengths = inputs((4, 16, width)), []
    with torch.no_grad():
        for position, block in enumerate(transformer(name, layers, width)[1]):
            x = block(x)
            if position % 2:
                lengths.append(float(x.square().sum(-1).mean()) / width)
    return lengths


def test_pre_norm_sums_grow_linearly_with_depth() -> None:
    """Xiong et al. 2020, Lemma 2: (1 + l/2)d ≤ E‖x_l‖² ≤ (1 + 3l/2)d before any training."""
    for layer, length in enumerate(squared_lengths("pre", 24), start=1):
        assert 0.9 * (1 + layer / 2) <= length <= 1.1 * (1 + 3 * layer / 2)


def test_post_norm_sums_do_not_grow() -> None:
    """Xiong et al. 2020, Lemma 2: E‖x_l‖² = 3d/2 before the last norm of every layer, d after it."""
    width = 256
    blocks: list[Any] = transformer("post", 12, width)[1]
    x, sums = inputs((4, 16, width)), []
    with torch.no_grad():
        for block in blocks:
            sums.append(float((x + block.branch(x)).square().mean()))
            x = block(x)
            torch.testing.assert_close(x.square().mean(), torch.tensor(1.0), rtol=1e-3, atol=0)
    feed_forward = sums[1::2]
    assert sum(feed_forward) / len(feed_forward) == pytest.approx(1.5, rel=0.1)


def last_gradient(name: str, layers: int, width: int = 128) -> float:
    """The norm of the gradient of one token's loss in the last feed-forward's output weights, in a fresh network."""
    placement, blocks = transformer(name, layers, width)
    head = nn.Linear(width, width, bias=False)
    nn.init.xavier_normal_(head.weight)
    y = head(nn.Sequential(*blocks, placement.before_head(width, NORM))(inputs((8, 16, width))))
    last: Any = blocks[-1]
    norms = []
    for case in range(8):
        loss = nn.functional.cross_entropy(y[case, 0], torch.tensor(case))
        (gradient,) = torch.autograd.grad(loss, last.branch.down.weight, retain_graph=True)
        norms.append(float(gradient.norm()))
    return sum(norms) / len(norms)


def test_the_last_gradient_falls_with_depth_in_pre_norm_but_not_in_post_norm() -> None:
    """Xiong et al. 2020, Theorem 1: why post-norm needs a warm-up: O(d√ln d) against O(d√(ln d/L))."""
    pre = last_gradient("pre", 24) / last_gradient("pre", 2)
    post = last_gradient("post", 24) / last_gradient("post", 2)
    assert pre < 0.6
    assert 0.75 < post < 1.33


def test_scaled_pre_norm_and_peri_norm_grow_slower_or_linearly() -> None:
    """LayerNorm scaling divides the branch's input by √ℓ, so its sums grow as a logarithm; Peri adds one per branch."""
    pre, scaled, peri = (squared_lengths(name, 24)[-1] for name in ("pre", "layernorm_scaling", "peri"))
    assert scaled < pre / 3
    assert peri == pytest.approx(1 + 2 * 24, rel=0.5)
