"""What is particular to a variant: its options, its limits, its state, its gradient."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from lncore import reference
from tests.lncore.variants import SHAPES, inputs, make, randomized

KINDS = list(SHAPES)


class TestLayerNorm:
    def test_its_state_dict_is_torchs(self) -> None:
        torchs = randomized(nn.LayerNorm(8))
        mine = make("layer_norm")
        mine.load_state_dict(torchs.state_dict())
        x = inputs((4, 8))
        torch.testing.assert_close(mine(x), torchs(x))

    def test_unit_offset_stores_the_gain_minus_one(self) -> None:
        layer = make("layer_norm", unit_offset=True)
        assert torch.equal(layer.weight, torch.zeros(8))
        x = inputs((4, 8))
        torch.testing.assert_close(layer(x), make("layer_norm")(x))

    def test_gain_and_bias_can_each_be_left_out(self) -> None:
        assert [name for name, _ in make("layer_norm", bias=False).named_parameters()] == ["weight"]
        assert [name for name, _ in make("layer_norm", gain=False).named_parameters()] == ["bias"]

    def test_one_feature_becomes_zero_and_two_become_signs(self) -> None:
        """Why layer normalization must not stand on very narrow layers."""
        assert torch.equal(make("layer_norm", 1)(inputs((5, 1))), torch.zeros(5, 1))
        pair = make("layer_norm", 2, eps=0)(inputs((5, 2)))
        torch.testing.assert_close(pair.abs(), torch.ones(5, 2))

    def test_a_sum_right_after_it_has_no_gradient(self) -> None:
        x = inputs((5, 8)).requires_grad_()
        make("layer_norm")(x).sum().backward()
        assert x.grad is not None
        assert x.grad.abs().max() < 1e-6


class TestRMSNorm:
    def test_epsilon_outside_the_root_is_the_authors_torch_form(self) -> None:
        x = inputs((4, 8)) * 1e-3
        layer = make("rms_norm", eps=1e-4, eps_place="outside")
        torch.testing.assert_close(
            layer(x).double(), reference.rms_norm(x, eps=1e-4, outside=True), rtol=1e-5, atol=1e-7
        )

    def test_unit_offset_is_added_before_the_product(self) -> None:
        layer = randomized(make("rms_norm", unit_offset=True))
        x = inputs((4, 8))
        torch.testing.assert_close(layer(x).double(), reference.rms_norm(x, layer.weight.detach().double() + 1))

    def test_casting_first_rounds_twice_as_llama_does(self) -> None:
        x = inputs((64, 8), dtype=torch.bfloat16)
        first, last = randomized(make("rms_norm", casting="first")), randomized(make("rms_norm"))
        llama = (reference.rms_norm(x).float().bfloat16() * first.weight.detach()).bfloat16()
        assert torch.equal(first(x), llama)
        assert not torch.equal(first(x), last(x))

    def test_a_bias_can_be_added(self) -> None:
        layer = randomized(make("rms_norm", bias=True))
        x = inputs((4, 8))
        wanted = reference.rms_norm(x, layer.weight.detach()) + layer.bias.detach().double()
        torch.testing.assert_close(layer(x).double(), wanted)


class TestBatchNorm:
    @pytest.mark.parametrize("kind", KINDS)
    def test_training_and_evaluation_follow_torch(self, kind: str) -> None:
        mine, torchs = (
            make("batch_norm"),
            {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(SHAPES[kind])](8),
        )

        def to_torch(x: Tensor) -> Tensor:
            return x.transpose(1, 2) if kind == "sequence" else x

        for seed in range(3):
            x = inputs(SHAPES[kind], seed) * 2 + 3
            torch.testing.assert_close(mine(x), to_torch(torchs(to_torch(x))))
        torch.testing.assert_close(mine.running_mean, torchs.running_mean)
        torch.testing.assert_close(mine.running_var, torchs.running_var)
        x = inputs(SHAPES[kind], 9)
        torch.testing.assert_close(mine.eval()(x), to_torch(torchs.eval()(to_torch(x))))

    def test_the_unbiased_variance_of_a_batch_of_four(self) -> None:
        layer = randomized(make("batch_norm", unbiased=True))
        x = inputs((4, 8))
        wanted = reference.batch_norm(x, layer.weight.detach(), layer.bias.detach(), unbiased=True)
        torch.testing.assert_close(layer(x).double(), wanted, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("name", ["batch_norm", "batch_renorm", "power_norm"])
    def test_a_batch_of_one_is_refused_in_training_only(self, name: str) -> None:
        layer = make(name)
        before = {label: value.clone() for label, value in layer.state_dict().items()}
        for alone in ((1, 8), (8,)):
            with pytest.raises(ValueError, match="batch of at least 2"):
                layer(inputs(alone))
            assert layer.eval()(inputs(alone)).isfinite().all()
            layer.train()
        assert all(torch.equal(before[label], value) for label, value in layer.state_dict().items())
        assert layer(inputs((1, 8, 4, 5))).isfinite().all()

    def test_two_passes_before_one_backward_pass_work(self) -> None:
        layer = make("batch_norm")
        (layer(inputs((4, 8))).square().sum() + layer(inputs((4, 8), 2)).square().sum()).backward()
        assert layer.weight.grad is not None


class TestBatchRenorm:
    def test_it_is_batch_norm_until_the_limits_widen(self) -> None:
        renorm, plain = make("batch_renorm", relax_after=2), make("batch_norm", eps=1e-3)
        for seed in range(2):
            x = inputs((6, 8), seed)
            torch.testing.assert_close(renorm(x), plain(x))

    def test_with_wide_limits_training_gives_what_the_running_statistics_give(self) -> None:
        """Within the limits (x − μ_B)/σ_B·r + d is (x − μ)/σ exactly."""
        layer = make("batch_renorm", relax_after=0, r_full_at=0, d_full_at=0, r_max=100.0, d_max=100.0)
        layer.steps.fill_(1)
        layer.running_mean.copy_(inputs((8,), 3) * 0.1)
        layer.running_deviation.fill_(1.3)
        x = inputs((6, 8))
        evaluated = copy.deepcopy(layer).eval()(x)
        torch.testing.assert_close(layer(x), evaluated, rtol=1e-5, atol=1e-6)

    def test_the_correction_is_clipped_and_carries_no_gradient(self) -> None:
        layer = make("batch_renorm", relax_after=0, r_full_at=0, d_full_at=0, r_max=1.5, d_max=0.5)
        layer.steps.fill_(1)
        layer.running_mean.fill_(-10.0)
        layer.running_deviation.fill_(0.01)
        x = inputs((6, 8)).requires_grad_()
        wanted = reference.batch_norm(x.detach(), eps=1e-3) * 1.5 + 0.5
        y = layer(x)
        torch.testing.assert_close(y.double(), wanted, rtol=1e-5, atol=1e-5)
        y.sum().backward()
        assert x.grad is not None
        assert x.grad.abs().max() < 1e-5


class TestDetachNorm:
    def test_nothing_of_the_statistics_reaches_the_gradient(self) -> None:
        """Theorem 1: with the statistics detached the gradient is the incoming one over σ."""
        x = inputs((4, 8)).requires_grad_()
        make("detach_norm", eps=0)(x).backward(torch.ones(4, 8))
        deviation = x.detach().var(-1, unbiased=False, keepdim=True).sqrt()
        torch.testing.assert_close(x.grad, torch.ones(4, 8) / deviation)

    def test_with_gradients_through_both_the_mean_of_the_gradient_is_zero(self) -> None:
        x = inputs((4, 8)).requires_grad_()
        make("layer_norm_simple")(x).backward(inputs((4, 8), 2))
        assert x.grad is not None
        assert x.grad.mean(-1).abs().max() < 1e-6

    def test_each_statistic_can_be_detached_alone(self) -> None:
        gradients: list[Tensor] = []
        for detach in ("both", "mean", "variance"):
            x = inputs((4, 8)).requires_grad_()
            make("detach_norm", detach=detach)(x).backward(inputs((4, 8), 2))
            assert x.grad is not None
            gradients.append(x.grad)
        assert gradients[2].mean(-1).abs().max() < 1e-6
        assert not torch.allclose(gradients[0], gradients[1])
        assert not torch.allclose(gradients[0], gradients[2])


class TestPlaceOfEpsilon:
    """An ε of 0.1 shows where it stands."""

    @pytest.mark.parametrize("name", ["layer_norm_simple", "detach_norm"])
    @pytest.mark.parametrize("unbiased", [False, True])
    @pytest.mark.parametrize("place", ["inside", "outside"])
    def test_of_the_deviation_is_chosen_beside_its_bias(self, name: str, unbiased: bool, place: str) -> None:
        x = inputs((4, 8))
        wanted = reference.standardize(x, 0.1, (-1,), outside=place == "outside", unbiased=unbiased)
        y = make(name, eps=0.1, eps_place=place, unbiased=unbiased)(x)
        torch.testing.assert_close(y.double(), wanted, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("place", ["inside", "outside"])
    def test_of_a_partial_root_mean_square_is_chosen(self, place: str) -> None:
        x = inputs((4, 8))
        wanted = reference.p_rms_norm(x, p=0.5, eps=0.1, outside=place == "outside")
        torch.testing.assert_close(make("p_rms_norm", p=0.5, eps=0.1, eps_place=place)(x), wanted.float())

    @pytest.mark.parametrize("name", ["layer_norm_simple", "detach_norm", "p_rms_norm", "rms_norm"])
    def test_outside_leaves_the_gradient_of_a_row_of_zeros_finite(self, name: str) -> None:
        x = torch.zeros(2, 8, requires_grad=True)
        make(name, eps_place="outside")(x).sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()


class TestAdaNorm:
    def test_the_authors_code_uses_the_unbiased_deviation_and_epsilon_outside(self) -> None:
        x = inputs((4, 8))
        centred = x - x.mean(-1, keepdim=True)
        y = centred / (x.std(-1, keepdim=True) + 1e-5)
        layer = make("ada_norm", unbiased=True, eps_place="outside")
        torch.testing.assert_close(layer(x), 2.0 * (1 - 0.1 * y) * y)

    def test_the_gain_carries_no_gradient(self) -> None:
        x = inputs((4, 8)).double().requires_grad_()
        make("ada_norm")(x).backward(torch.ones(4, 8, dtype=torch.float64))
        twin = x.detach().clone().requires_grad_()
        y = reference.layer_norm(twin)
        (2.0 * (1 - 0.1 * y.detach()) * y).sum().backward()
        torch.testing.assert_close(x.grad, twin.grad)


class TestScaleNorm:
    def test_it_starts_at_the_length_of_a_standard_vector(self) -> None:
        lengths = make("scale_norm")(inputs((5, 8))).norm(dim=-1)
        torch.testing.assert_close(lengths, torch.full((5,), math.sqrt(8)))

    def test_a_zero_vector_stays_zero_with_a_finite_gradient(self) -> None:
        x = torch.zeros(2, 8, requires_grad=True)
        make("scale_norm")(x).sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()


class TestPowerNorm:
    def test_evaluation_uses_the_running_mean(self) -> None:
        layer = make("power_norm")
        for seed in range(20):
            layer(inputs((32, 8), seed))
        x = inputs((4, 8), 50)
        scaled = reference.rms_norm(x)
        wanted = scaled / (layer.running_square.double() + 1e-5).sqrt()
        torch.testing.assert_close(layer.eval()(x).double(), wanted, rtol=1e-5, atol=1e-6)

    def test_after_the_warm_up_a_batch_no_longer_sees_its_own_mean(self) -> None:
        layer = make("power_norm", warmup=0)
        layer.running_square.fill_(4.0)
        x = inputs((4, 8))
        torch.testing.assert_close(layer(x).double(), reference.rms_norm(x) / (4.0 + 1e-5) ** 0.5, rtol=1e-5, atol=1e-6)

    def test_the_backward_pass_leans_on_the_running_inner_product(self) -> None:
        """sIncerass/powernorm mask_powernorm.py: ν = g − (1 − α_b)·Γ·z, Γ ← Γ + mean(ν·z), dx = ν/√(mean x² + ε)."""
        from lncore.norms.power_norm import _PowerFunction

        rows, gradient, product = inputs((6, 8)).requires_grad_(), inputs((6, 8), 2), inputs((8,), 3)
        batch = rows.detach().square().mean(0) + 1e-5
        kept = product.clone()
        z = _PowerFunction.apply(rows, batch, batch, product, 0.9)
        z.backward(gradient)
        nu = gradient - 0.1 * kept * z.detach()
        torch.testing.assert_close(rows.grad, nu / batch.sqrt())
        torch.testing.assert_close(product, kept + (nu * z.detach()).mean(0))


class TestFilterResponseNorm:
    def test_epsilon_can_be_learned(self) -> None:
        layer = make("frn", learn_eps=True, eps=1e-4)
        layer(inputs(SHAPES["image"])).sum().backward()
        assert layer.eps.grad is not None

    def test_it_is_its_own_activation(self) -> None:
        assert make("frn").activates
        assert not make("frn", threshold=False).activates
        assert not make("rms_norm").activates
        assert (make("frn")(inputs(SHAPES["image"])) >= 0).all()
