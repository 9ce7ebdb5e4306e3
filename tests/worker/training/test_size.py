"""How much memory a job needs, known before anything is allocated."""

import pytest

from tests.worker.specs import spec_of
from worker.training.size import TooLargeError, check_size, measure_need


def test_a_job_is_refused_with_the_numbers_before_anything_is_allocated() -> None:
    spec = spec_of(architecture={"kind": "mlp", "hidden": [16384, 16384]}, optimizer={"kind": "sgd", "lr": 0.1})
    with pytest.raises(TooLargeError, match=r"269746186 parameters are 1\.01 GiB.* optimizer's state 0\.00 MiB"):
        check_size(spec, (1, 8, 8), 10, 2 << 30)


def test_the_measured_need_is_what_the_model_takes() -> None:
    need = measure_need(spec_of(architecture={"kind": "mlp", "hidden": [100]}), (1, 8, 8), 10)
    parameters = (64 + 1) * 100 + 2 * 100 + (100 + 1) * 10
    assert need.parameter_count == parameters
    assert (need.gradients, need.optimizer) == (4 * parameters, 8 * parameters)
    # At least what the dense layer gives, for each of 64 cases; at most a handful of such.
    assert 64 * 100 * 4 <= need.activations <= 8 * 64 * 100 * 4
