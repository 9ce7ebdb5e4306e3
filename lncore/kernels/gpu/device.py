"""Where a kernel starts: on the device of its tensors, which need not be the current one."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def on_its_device(function: Callable[Concatenate[Tensor, Rest], Result]) -> Callable[Concatenate[Tensor, Rest], Result]:
    """Run `function` with its first tensor's device as the current one: Triton starts its kernels there."""

    @wraps(function)
    def there(x: Tensor, /, *rest: Rest.args, **named: Rest.kwargs) -> Result:
        if not x.is_cuda or x.get_device() == torch.cuda.current_device():
            return function(x, *rest, **named)
        with torch.cuda.device(x.device):
            return function(x, *rest, **named)

    return there
