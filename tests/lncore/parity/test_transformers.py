"""transformers: Llama casts before the gain, Gemma multiplies with one plus the gain in float32 and casts last."""

import importlib

import pytest
import torch

from tests.lncore.variants import inputs, make, randomized

pytest.importorskip("transformers", reason="transformers is not installed (the parity group)")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    ("model", "name", "options"),
    [
        ("llama", "LlamaRMSNorm", {"casting": "first"}),
        ("gemma", "GemmaRMSNorm", {"casting": "last", "unit_offset": True}),
    ],
)
def test_rms_norm_is_theirs_to_the_last_bit_of_half_precision(
    model: str, name: str, options: dict[str, object], dtype: torch.dtype
) -> None:
    module = importlib.import_module(f"transformers.models.{model}.modeling_{model}")
    theirs = randomized(getattr(module, name)(64)).to(dtype)
    mine = make("rms_norm", 64, eps=1e-6, **options).to(dtype)
    mine.load_state_dict(theirs.state_dict())
    x = inputs((16, 64), dtype=dtype) * 3
    unit = torch.finfo(dtype).eps
    torch.testing.assert_close(mine(x), theirs(x), rtol=2 * unit, atol=unit * 1e-2)
