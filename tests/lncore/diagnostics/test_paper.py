"""Table 1 and the geometry section of the paper, measured; and its four contradictions, each settled by a number."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lncore import diagnostics, menu, reference
from tests.lncore.variants import ALL, GROUPED, inputs


def factory(name: str) -> menu.NormFactory:
    options = {"groups": 4} if name in GROUPED else {"init": "weight"} if name == "weight_norm" else {}
    return menu.normalization(name, **options)


@pytest.mark.parametrize("name", list(diagnostics.PAPER_TABLE_1))
def test_table_1_is_measured_as_published(name: str) -> None:
    measured = diagnostics.measure_invariances(factory(name))
    assert tuple(one.holds for one in measured) == diagnostics.PAPER_TABLE_1[name]
    # An invariance either holds to rounding or fails plainly; nothing lies between.
    assert all(one.change < 1e-12 or one.change > 0.1 for one in measured)


def test_what_a_variant_does_not_see_is_told_by_name() -> None:
    assert diagnostics.invariances("none") == []
    assert "single case re-scaling" in diagnostics.invariances("group_norm")
    assert diagnostics.invariances("batch_norm") == [
        "weight matrix re-scaling",
        "weight vector re-scaling",
        "data re-scaling",
        "data re-centering",
    ]


@pytest.mark.parametrize("name", ALL)
def test_the_table_can_be_measured_for_every_variant(name: str) -> None:
    measured = diagnostics.measure_invariances(factory(name))
    assert [one.transformation for one in measured] == list(diagnostics.TRANSFORMATIONS)
    if name == "none":
        assert not any(one.holds for one in measured)


def weight_and_gradient(name: str, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """W and ∂L/∂W of a loss behind norm(W·x), in float64 without ε."""
    weight = (inputs((12, 6), 4, torch.float64) * scale).requires_grad_()
    data = inputs((20, 6), 5, torch.float64)
    if name == "weight_norm":
        y = data @ (weight / weight.norm(dim=1, keepdim=True)).T
    else:
        eps = {"eps": 1e-30} if name == "batch_norm" else {"eps": 0.0}
        y = menu.normalization(name, **eps)(12).double()(data @ weight.T)
    (y * inputs((20, 12), 6, torch.float64)).tanh().sum().backward()
    assert weight.grad is not None
    return weight.detach(), weight.grad


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "batch_norm", "weight_norm"])
def test_the_gradient_is_orthogonal_to_the_weight(name: str) -> None:
    assert diagnostics.gradient_along_weight(*weight_and_gradient(name)).abs() < 1e-12


def test_row_by_row_only_batch_and_weight_norm_are_orthogonal() -> None:
    for name in ("batch_norm", "weight_norm"):
        assert diagnostics.gradient_along_rows(*weight_and_gradient(name)).abs().max() < 1e-12
    for name in ("layer_norm", "rms_norm"):
        assert diagnostics.gradient_along_rows(*weight_and_gradient(name)).abs().max() > 0.1


def test_the_columns_of_the_gradient_sum_to_zero_under_layer_norm_only() -> None:
    assert diagnostics.column_sums(weight_and_gradient("layer_norm")[1]).abs().max() < 1e-12
    for name in ("rms_norm", "batch_norm", "weight_norm"):
        assert diagnostics.column_sums(weight_and_gradient(name)[1]).abs().max() > 0.01


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm", "batch_norm", "weight_norm"])
def test_doubling_the_weight_halves_the_gradient(name: str) -> None:
    gradient, doubled = weight_and_gradient(name)[1], weight_and_gradient(name, 2.0)[1]
    torch.testing.assert_close(doubled, gradient / 2)


def test_plain_sgd_only_lengthens_the_weights_so_the_effective_rate_falls() -> None:
    """‖W_{t+1}‖² = ‖W_t‖² + η²‖∇‖²: the paper's implicit early stopping (§5.2.2), from the orthogonality above."""
    layer = nn.Linear(6, 12, bias=False).double()
    norm = menu.normalization("layer_norm", eps=0.0)(12).double()
    sgd = torch.optim.SGD(layer.parameters(), lr=0.5)
    data, target = inputs((20, 6), 5, torch.float64), inputs((20, 12), 6, torch.float64)
    rates = []
    for _ in range(30):
        sgd.zero_grad()
        (norm(layer(data)) - target).square().mean().backward()
        weight, gradient = layer.weight.detach().clone(), layer.weight.grad
        assert gradient is not None
        rates.append(float(diagnostics.effective_learning_rate(weight, 0.5)))
        sgd.step()
        torch.testing.assert_close(
            layer.weight.detach().square().sum(), weight.square().sum() + 0.25 * gradient.square().sum()
        )
    assert rates == sorted(rates, reverse=True)


def normalized_outputs(kind: str) -> Callable[[Tensor], Tensor]:
    data = inputs((50, 3), 8, torch.float64)

    def layer(weight: Tensor) -> Tensor:
        summed = data @ weight.T
        return nn.functional.layer_norm(summed, (4,), eps=0.0) if kind == "layer_norm" else summed

    return layer


class TestContradictions:
    """Four places where the paper says two things; each test shows which one is true."""

    def test_a_gain_is_one_and_bias_zero_although_the_supplement_swaps_the_words(self) -> None:
        """(a) The supplement writes LN(z; α, β) = (z − μ)/σ ⊙ α + β, calls α additive (0) and β multiplicative (1).

        Taken literally the layer would put out the constant 1. §6 and the authors' code start with gain 1 and bias 0.
        """
        x = inputs((5, 8))
        literal = reference.layer_norm(x, weight=0.0, bias=1.0)
        assert torch.equal(literal, torch.ones(5, 8, dtype=torch.float64))
        layer: Any = menu.normalization("layer_norm")(8)
        assert layer(x).var() > 0.5
        assert torch.equal(layer.weight, torch.ones(8))
        assert torch.equal(layer.bias, torch.zeros(8))

    def test_b_weight_norm_is_not_invariant_to_the_scale_of_the_data(self) -> None:
        """(b) The text of §5.1 says every method is invariant to re-scaling the data; Table 1 says weight norm isn't.

        The table is right: weight norm doesn't look at the data, so twice the input is twice the output.
        """
        change = {one.transformation: one for one in diagnostics.measure_invariances(factory("weight_norm"))}
        assert not change["data re-scaling"].holds
        layer = factory("weight_norm").reparametrize(nn.Linear(6, 4, bias=False))
        x = inputs((5, 6))
        torch.testing.assert_close(layer(2 * x), 2 * layer(x))

    def test_c_layer_norm_sees_a_shift_of_the_features_but_not_of_the_summed_inputs(self) -> None:
        """(c) §7 claims invariance to shifting the features of a case; Table 1 says data re-centering isn't one.

        x + c·1 does change LN(W·x); what has no effect is a shift of the pre-activations W·x.
        """
        weight, x = inputs((5, 7), 1, torch.float64), inputs((1, 7), 2, torch.float64)
        before = reference.layer_norm(x @ weight.T)
        assert (reference.layer_norm((x + 1) @ weight.T) - before).abs().max() > 0.5
        torch.testing.assert_close(reference.layer_norm(x @ weight.T + 1), before)

    def test_d_doubling_the_weights_quarters_the_curvature_and_halves_the_gradient(self) -> None:
        """(d) §5.2.2 says that when ‖w_i‖ doubles the curvature along it halves.

        The gradient halves. The Fisher block scales by exactly 1/4 when all of W doubles; when one row doubles it is
        neither, since all rows share σ.
        """
        layer, weight = normalized_outputs("layer_norm"), inputs((4, 3), 1, torch.float64)
        fisher = diagnostics.fisher_block(layer, weight)
        torch.testing.assert_close(diagnostics.fisher_block(layer, 2 * weight), fisher / 4)

        one_row = weight.clone()
        one_row[0] *= 2
        row = slice(0, 3)
        ratio = diagnostics.fisher_block(layer, one_row)[row, row].norm() / fisher[row, row].norm()
        assert not 0.24 < ratio < 0.26
        assert not 0.49 < ratio < 0.51
        plain = normalized_outputs("none")
        torch.testing.assert_close(diagnostics.fisher_block(plain, 2 * weight), diagnostics.fisher_block(plain, weight))


def test_the_curvature_along_the_gain_does_not_depend_on_the_scale_of_the_input() -> None:
    """§5.2.2: ds² along the gain holds normalized inputs; along a plain weight it grows with the inputs' square."""
    data, weight = inputs((50, 3), 8, torch.float64), inputs((4, 3), 1, torch.float64)

    def along_gain(scale: float) -> Tensor:
        normalized = nn.functional.layer_norm(scale * data @ weight.T, (4,), eps=0.0)
        return diagnostics.fisher_block(lambda gain: normalized * gain, torch.ones(4, dtype=torch.float64))

    def along_weight(scale: float) -> Tensor:
        return diagnostics.fisher_block(lambda w: scale * data @ w.T, weight)

    torch.testing.assert_close(along_gain(100.0), along_gain(1.0))
    torch.testing.assert_close(along_weight(100.0), along_weight(1.0) * 1e4)


def test_epsilon_spoils_the_invariance_for_small_inputs() -> None:
    """With a standard deviation of 1e-3 and ε = 1e-5, layer norm puts out 0.30, not 1."""
    x = inputs((64, 512), 1, torch.float64) * 1e-3
    assert float(menu.normalization("layer_norm")(512).double()(x).detach().std()) == pytest.approx(0.30, abs=0.01)


def test_a_scalar_input_to_layer_norm_keeps_little_but_its_sign() -> None:
    """Why the paper's LSTM does badly on single pixels: LN(w·x) of a number x is sign(x) times a fixed vector.

    With weights of standard deviation 0.05 the output's size is 0.71 for a grey value of 16/255 already.
    """
    weight = inputs((4096,), 1, torch.float64) * 0.05
    sizes = [float(reference.layer_norm(weight * grey / 255).square().mean().sqrt()) for grey in (16, 64, 255)]
    assert sizes == pytest.approx([0.71, 0.97, 0.998], abs=0.02)
    torch.testing.assert_close(reference.layer_norm(weight * 0.3, eps=0.0), reference.layer_norm(weight * 0.9, eps=0.0))
