"""What every test of lncore begins with: the same random numbers, whatever ran before it."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.manual_seed(0)
