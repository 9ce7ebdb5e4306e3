"""The order in which an epoch is read."""

import torch

from worker.loading.data import epoch_order


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    torch.manual_seed(1)
    first = epoch_order(3, 5, 100)
    torch.manual_seed(2)
    assert torch.equal(first, epoch_order(3, 5, 100))
    assert sorted(first.tolist()) == list(range(100))
    assert not torch.equal(first, epoch_order(3, 6, 100))
    assert not torch.equal(first, epoch_order(4, 5, 100))
