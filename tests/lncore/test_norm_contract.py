"""What every normalization of the menu must do; a new file is tested here before its own test exists."""

import copy
import pickle

import pytest
import torch
from torch import nn

from lncore import menu
from tests.lncore.variants import ALL, GROUPED, SHAPES, inputs, make, randomized

pytestmark = pytest.mark.parametrize("name", ALL)
KINDS = list(SHAPES)
STOPS_GRADIENTS = {"ada_norm", "detach_norm"}
MODES = ["training", "evaluation"]


def without_derivative(name: str, mode: str) -> bool:
    """Whether its gradient is not the derivative of its function, by definition."""
    return name in STOPS_GRADIENTS or (name == "power_norm" and mode == "training")


@pytest.mark.parametrize("kind", KINDS)
def test_shape_and_type_are_those_of_the_input(name: str, kind: str) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        x = inputs(SHAPES[kind], dtype=dtype)
        y = make(name)(x)
        assert y.shape == x.shape
        assert y.dtype == dtype


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_converted_to_half_precision_still_works(name: str, kind: str) -> None:
    layer = make(name).to(torch.bfloat16)
    assert layer(inputs(SHAPES[kind], dtype=torch.bfloat16)).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_and_the_input_receive_a_finite_gradient(name: str, kind: str) -> None:
    layer = randomized(make(name))
    x = inputs(SHAPES[kind]).requires_grad_()
    (layer(x) * inputs(SHAPES[kind], seed=2)).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    for label, parameter in layer.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_rounds_once(name: str, kind: str, dtype: torch.dtype) -> None:
    """Computing in float32 and rounding the result leaves at most one unit in the last place of the output."""
    layer = randomized(make(name))
    x = inputs(SHAPES[kind], dtype=dtype)
    exact = copy.deepcopy(layer).double()(x.double())
    y = layer(x).double()
    unit = torch.finfo(dtype).eps * exact.abs() + 1e-6
    assert ((y - exact).abs() <= unit).all()


@pytest.mark.parametrize("kind", KINDS)
def test_float16_statistics_do_not_overflow(name: str, kind: str) -> None:
    """The square of a float16 above 255.9 is infinite, so statistics may not be taken in it."""
    layer = make(name)
    x = inputs(SHAPES[kind]).mul(2000).half()
    assert layer(x).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_input_gives_a_finite_result_and_gradient(name: str, kind: str) -> None:
    layer = make(name)
    x = torch.full(SHAPES[kind], 1234.5).requires_grad_()
    y = layer(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("width", [1, 2])
def test_one_or_two_features_work(name: str, width: int) -> None:
    for shape in ((4, width), (4, 3, width), (4, width, 3, 3)):
        x = inputs(shape)
        assert make(name, width)(x).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_gives_an_empty_result(name: str, kind: str) -> None:
    layer = make(name)
    x = torch.empty(0, *SHAPES[kind][1:], requires_grad=True)
    before = {label: value.clone() for label, value in layer.state_dict().items()}
    y = layer(x)
    assert y.shape == x.shape
    y.sum().backward()
    assert all(torch.equal(before[label], value) for label, value in layer.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_strides_do_not_change_the_result(name: str, kind: str) -> None:
    shape = SHAPES[kind]
    x = inputs(shape)
    wanted = randomized(make(name))(x)
    transposed = x.transpose(0, -1).contiguous().transpose(0, -1)
    every_other = torch.stack([x, x], -1).flatten(-2)[..., ::2]
    shifted = torch.cat([torch.zeros(1), x.flatten()])[1:].view(shape)
    for strided in (transposed, every_other, shifted):
        assert torch.equal(strided, x)
        torch.testing.assert_close(randomized(make(name))(strided), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_expanded_inputs_and_gradients_work(name: str, kind: str) -> None:
    shape = SHAPES[kind]
    row = inputs(shape[1:])
    x = row.expand(shape).requires_grad_()
    y = randomized(make(name))(x)
    torch.testing.assert_close(y, randomized(make(name))(row.expand(shape).clone()), rtol=1e-5, atol=1e-6)
    y.sum().backward()  # an expanded gradient
    assert x.grad is not None


def test_a_state_dict_restores_the_layer(name: str) -> None:
    trained = randomized(make(name))
    for seed in range(3):
        trained(inputs(SHAPES["vector"], seed))
    restored = make(name)
    restored.load_state_dict(trained.state_dict())
    x = inputs(SHAPES["vector"], 9)
    assert torch.equal(restored.eval()(x), trained.eval()(x))


def test_copies_are_equal_and_independent(name: str) -> None:
    layer = randomized(make(name))
    x = inputs(SHAPES["vector"])
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin.eval()(x), layer.eval()(x))
        assert not {id(parameter) for parameter in twin.parameters()} & {id(p) for p in layer.parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_treats_each_case_alone(name: str, kind: str) -> None:
    layer = randomized(make(name)).eval()
    x = inputs(SHAPES[kind])
    torch.testing.assert_close(layer(x)[:1], layer(x[:1]), rtol=1e-5, atol=1e-6)


def test_the_same_input_gives_the_same_bytes(name: str) -> None:
    x = inputs((64, 8))
    assert torch.equal(randomized(make(name))(x), randomized(make(name))(x))


@pytest.mark.parametrize(
    ("kind", "mode"), [("sequence", "training"), ("image", "training"), ("sequence", "evaluation")]
)
def test_compiled_without_a_graph_break_it_gives_the_same(name: str, kind: str, mode: str) -> None:
    torch._dynamo.reset()
    found = []
    for compiled in (True, False):
        x, layer = inputs(SHAPES[kind]).requires_grad_(), randomized(make(name)).train(mode == "training")
        y = (torch.compile(layer, backend="aot_eager", fullgraph=True) if compiled else layer)(x)
        (y * inputs(SHAPES[kind], 2)).sum().backward()
        gradients = [parameter.grad for parameter in layer.parameters()]
        found.append([y.detach(), x.grad, *gradients, *layer.buffers()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_vmap_over_cases_equals_evaluating_the_batch(name: str, kind: str) -> None:
    layer = randomized(make(name)).eval()
    x = inputs(SHAPES[kind])
    torch.testing.assert_close(torch.func.vmap(layer)(x.unsqueeze(1)).squeeze(1), layer(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_every_case_by_vmap_equal_the_loop(name: str, kind: str) -> None:
    layer = randomized(make(name)).eval()
    x = inputs(SHAPES[kind])

    def loss(case: torch.Tensor) -> torch.Tensor:
        return layer(case.unsqueeze(0)).square().sum()

    together = torch.func.vmap(torch.func.grad(loss))(x)
    torch.testing.assert_close(together, torch.stack([torch.func.grad(loss)(case) for case in x]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_under_autocast_the_type_of_the_input_is_kept(name: str, kind: str) -> None:
    layer = randomized(make(name))
    x = inputs(SHAPES[kind], dtype=torch.bfloat16).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y, randomized(make(name))(x), rtol=2**-8, atol=1e-6)
    y.float().square().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16


def test_forward_mode_derivatives_equal_reverse_mode(name: str) -> None:
    layer = randomized(make(name)).double().eval()
    x, direction, seed = (inputs((3, 8), number, torch.float64) for number in (1, 2, 3))
    forward = torch.func.jvp(layer, (x,), (direction,))[1]
    backward = torch.func.vjp(layer, x)[1]
    torch.testing.assert_close((forward * seed).sum(), (direction * backward(seed)[0]).sum())


@pytest.mark.parametrize("mode", MODES)
def test_it_can_be_differentiated_twice(name: str, mode: str) -> None:
    layer = randomized(make(name)).double().train(mode == "training")
    x = inputs((3, 8), dtype=torch.float64).requires_grad_()
    if name == "power_norm" and mode == "training":
        with pytest.raises(RuntimeError, match=r"leave out create_graph=True, or use layer\.eval\(\)"):
            torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    elif name in STOPS_GRADIENTS:
        (first,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
        assert torch.autograd.grad(first.square().sum(), x)[0].isfinite().all()
    else:
        assert torch.autograd.gradgradcheck(layer, (x,), fast_mode=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_its_gradients_are_the_derivatives_of_its_function(name: str, kind: str, mode: str) -> None:
    """With respect to its input and to every parameter."""
    if without_derivative(name, mode):
        pytest.skip("its gradient leaves out the statistics, by definition")
    layer = randomized(make(name)).double().train(mode == "training")
    x = inputs(SHAPES[kind], dtype=torch.float64)[:2].requires_grad_()
    labels, leaves = zip(*[("x", x), *layer.named_parameters()], strict=True)

    def function(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(labels[1:], values[1:], strict=True)), (values[0],))

    assert torch.autograd.gradcheck(function, leaves, fast_mode=True)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_gradients_and_an_ensemble_by_torch_func_in_training(name: str) -> None:
    """With parameters and buffers as arguments, as torch asks of what keeps statistics; two layers at once by vmap."""
    if name == "power_norm":
        pytest.skip("its backward pass moves a statistic, which torch.func refuses")
    layers = [randomized(make(name), seed) for seed in (1, 2)]
    parameters, buffers = torch.func.stack_module_state(layers)
    batches = inputs((2, 6, 8))

    def loss(parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layers[0], (parameters, buffers), (x,)).square().sum()

    together = torch.func.vmap(torch.func.grad(loss, argnums=2))(parameters, buffers, batches)
    for layer, x, found in zip(layers, batches, together, strict=True):
        leaf = x.clone().requires_grad_()
        expected = torch.autograd.grad(layer(leaf).square().sum(), leaf)[0]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_small_network_learns_with_it(name: str) -> None:
    """Thirty steps on a rule no linear layer can follow halve the loss, twice over with the same bytes."""
    losses = [train(name), train(name)]
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0] / 2


def train(name: str) -> list[float]:
    torch.manual_seed(0)
    norm = menu.normalization(name, **({"groups": 2} if name in GROUPED else {}))
    first, second = norm.reparametrize(nn.Linear(4, 16)), norm.reparametrize(nn.Linear(16, 16))
    model = nn.Sequential(first, norm(16), nn.Tanh(), second, norm(16), nn.Tanh(), nn.Linear(16, 1))
    adam = torch.optim.Adam(model.parameters(), lr=3e-2)
    x = inputs((64, 4))
    target = (x[:, :1] * x[:, 1:2]).sign()
    losses = []
    for _ in range(30):
        adam.zero_grad()
        loss = (model(x) - target).square().mean()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses


def test_an_integer_input_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match="float"):
        make(name)(torch.ones(4, 8, dtype=torch.int64))


def test_a_wrong_width_is_refused_with_both_numbers(name: str) -> None:
    with pytest.raises(ValueError, match=r"width 8.*9 features"):
        make(name)(torch.ones(4, 9))


def test_a_residual_that_does_not_fit_is_refused_with_both_shapes(name: str) -> None:
    with pytest.raises(ValueError, match=r"can't add \(4, 8\) and \(3, 8\)"):
        make(name).add_and_normalize(torch.ones(4, 8), torch.ones(3, 8))
    with pytest.raises(ValueError, match=r"width 8.*9 features"):
        make(name).add_and_normalize(torch.ones(4, 9), torch.ones(4, 9))


@pytest.mark.parametrize("width", [0, -3, 2.5, True])
def test_a_width_that_is_none_is_refused(name: str, width: float) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        menu.normalization(name)(width)  # type: ignore[arg-type]


def test_it_is_a_module_whose_repr_shows_its_width(name: str) -> None:
    layer = make(name)
    assert isinstance(layer, nn.Module)
    assert "8" in repr(layer)
