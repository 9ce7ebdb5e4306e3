"""References that can't be installed: their formulas written out here, step by step, and the constants they publish."""

import math

import pytest
import torch
from torch import Tensor

from lncore import menu
from tests.lncore.variants import inputs, make, randomized

X = inputs((6, 32))


def test_rms_norm_as_in_bzhanggo_rmsnorm() -> None:
    """rmsnorm_torch.py: the root from the 2-norm over √d, ε = 1e-8 added to the root, scale then offset."""
    mine = randomized(make("rms_norm", 32, eps=1e-8, eps_place="outside", bias=True))
    root = X.norm(dim=-1, keepdim=True) / math.sqrt(32)
    torch.testing.assert_close(mine(X), X / (root + 1e-8) * mine.weight + mine.bias)


@pytest.mark.parametrize(("share", "count"), [(0.0625, 2), (0.25, 8), (1.0, 32)])
def test_partial_rms_norm_as_in_bzhanggo_rmsnorm(share: float, count: int) -> None:
    """rmsnorm_torch.py: the first int(d·p) features, their 2-norm over √count."""
    mine = randomized(make("p_rms_norm", 32, p=share, eps=0.0))
    root = X[:, :count].norm(dim=-1, keepdim=True) / math.sqrt(count)
    torch.testing.assert_close(mine(X), X / root * mine.weight)


def test_dynamic_tanh_as_in_jiachenzhu_dyt() -> None:
    mine = randomized(make("dyt", 32))
    torch.testing.assert_close(mine(X), torch.tanh(mine.alpha * X) * mine.weight + mine.bias)
    assert make("dyt", 32).alpha.item() == 0.5


def test_dynamic_erf_as_in_zlab_derf() -> None:
    mine = make("derf", 32)
    torch.testing.assert_close(mine(X), torch.erf(0.5 * X))
    assert mine.shift.item() == 0


def test_scale_norm_as_in_transformers_without_tears() -> None:
    mine = make("scale_norm", 32)
    torch.testing.assert_close(mine(X), X * (math.sqrt(32) / X.norm(dim=-1, keepdim=True).clamp(min=1e-5)))


def test_deepnorm_constants_as_in_torchscale() -> None:
    placement = menu.load("lncore.placements", "deepnorm")(18)
    assert placement.alpha == pytest.approx(36**0.25)
    assert placement.beta == pytest.approx(144**-0.25)


@pytest.mark.parametrize(("encoder", "decoder"), [(6, 6), (100, 10), (18, 200)])
def test_deepnorm_constants_of_an_encoder_and_a_decoder_as_in_its_table(encoder: int, decoder: int) -> None:
    """Wang et al. 2022, Table 1, in logarithms; torchscale's architecture/config.py has the same."""
    deepnorm = menu.load("lncore.placements", "deepnorm")
    first, second = deepnorm(encoder, part="encoder", decoder_layers=decoder), deepnorm(decoder, part="decoder")
    both = (4 * math.log(encoder) + math.log(decoder)) / 16
    assert math.log(first.alpha) == pytest.approx(math.log(0.81) + both)
    assert math.log(first.beta) == pytest.approx(math.log(0.87) - both)
    assert second.alpha**4 == pytest.approx(3 * decoder)
    assert second.beta**-4 == pytest.approx(12 * decoder)


class PowerNormByHand:
    """One feature axis at a time, as mask_powernorm.py does it: phi, the warm-up average, and the running product."""

    def __init__(self, width: int, warmup: int) -> None:
        self.phi, self.product, self.step, self.warmup = torch.ones(width), torch.zeros(width), 0, warmup

    def train(self, x: Tensor, incoming: Tensor) -> tuple[Tensor, Tensor]:
        self.step += 1
        square = (x**2).mean(0)
        used = square if self.step <= self.warmup else self.phi.clone()
        z = x / (used + 1e-5).sqrt()
        if self.step < self.warmup:
            self.phi = self.phi * (self.step - 1) / self.step + square / self.step
        self.phi = 0.9 * self.phi + 0.1 * square
        corrected = incoming - (1 - 0.9) * self.product * z
        self.product = self.product + (corrected * z).mean(0)
        return z, corrected / (square + 1e-5).sqrt()


def test_power_norm_over_a_training_that_leaves_its_warm_up() -> None:
    """Forward, backward and both running statistics, batch by batch, equal the plain loop."""
    mine, by_hand = make("power_norm", 8, warmup=4), PowerNormByHand(8, warmup=4)
    for step in range(10):
        raw, incoming = inputs((6, 8), step), inputs((6, 8), 100 + step)
        x = (raw / (raw.square().mean(-1, keepdim=True) + 1e-5).sqrt()).requires_grad_()
        z = mine._from_batch(x)
        z.backward(incoming)
        wanted, gradient = by_hand.train(x.detach(), incoming)
        torch.testing.assert_close(z, wanted)
        torch.testing.assert_close(x.grad, gradient)
        torch.testing.assert_close(mine.running_square, by_hand.phi)
        torch.testing.assert_close(mine.running_product, by_hand.product)


def test_batch_renorm_over_a_training_that_widens_its_limits() -> None:
    """Ioffe 2017, Algorithm 1, step by step, with the limits relaxing linearly."""
    mine = make("batch_renorm", 8, relax_after=2, r_full_at=6, d_full_at=4, affine=False)
    mean, deviation = torch.zeros(8), torch.ones(8)
    for step in range(10):
        x = inputs((6, 8), step) * 1.5 + 0.4
        r_limit = 1 + 2 * min(max((step - 2) / 4, 0), 1)
        d_limit = 5 * min(max((step - 2) / 2, 0), 1)
        batch_mean, batch_deviation = x.mean(0), (x.var(0, unbiased=False) + 1e-3).sqrt()
        r = (batch_deviation / deviation).clamp(1 / r_limit, r_limit)
        d = ((batch_mean - mean) / deviation).clamp(-d_limit, d_limit)
        torch.testing.assert_close(mine(x), (x - batch_mean) / batch_deviation * r + d)
        mean += 0.01 * (batch_mean - mean)
        deviation += 0.01 * (batch_deviation - deviation)
    torch.testing.assert_close(mine.running_mean, mean)
    torch.testing.assert_close(mine.running_deviation, deviation)
    x = inputs((6, 8), 99)
    torch.testing.assert_close(mine.eval()(x), (x - mean) / deviation)


def test_adaln_zero_block_as_in_dit() -> None:
    """DiT: x + α(c) ⊙ F((1 + γ(c)) ⊙ LN(x) + β(c)), all three from one linear layer that starts at zero."""
    from lncore.adaptive import AdaptiveLayerNorm

    layer = AdaptiveLayerNorm(32, 5, gate=True, eps=1e-6)
    condition = inputs((6, 5), 3)
    y, gate = layer(X, condition)
    assert torch.equal(X + gate * torch.sin(y), X)
    randomized(layer)
    gamma, beta, alpha = layer.modulation(condition).chunk(3, -1)
    y, gate = layer(X, condition)
    torch.testing.assert_close(y, torch.nn.functional.layer_norm(X, (32,), eps=1e-6) * (1 + gamma) + beta)
    torch.testing.assert_close(gate, alpha)
