"""What the driver says of a GPU: which GPU is asked, what is told, and that a driver that fails costs nothing."""

import logging
from typing import Any, NamedTuple

import pytest
import torch

from domain.database import Database
from domain.store import workers
from tests.domain.made import make_worker
from worker.gpu import Gpu, GpuUse
from worker.supervising.presence import measure_gpu
from worker.training.measure import Window, cost

GIB = 2**30
UUIDS = ("GPU-11110000-a", "GPU-22220000-b", "GPU-22223333-c")


class Memory(NamedTuple):
    used: int
    total: int


class Rates(NamedTuple):
    gpu: int


class FakeNvml:
    """Three GPUs of which the n-th uses n + 1 GiB; a slice of one is found by its own UUID."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):  # noqa: N801, N818 - pynvml's name
        pass

    def __init__(self) -> None:
        self.is_broken = False
        self.asked = 0

    def nvmlInit(self) -> None:  # noqa: N802 - pynvml's name
        if self.is_broken:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(UUIDS)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        if index >= len(UUIDS):
            raise self.NVMLError("Invalid Argument")
        return UUIDS[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return uuid

    def nvmlDeviceGetUUID(self, handle: str) -> str:  # noqa: N802
        return handle

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return f"Fake {handle}"

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Memory:  # noqa: N802
        self.asked += 1
        if self.is_broken:
            raise self.NVMLError("GPU is lost")
        number = UUIDS.index(handle) + 1 if handle in UUIDS else 10
        return Memory(number * GIB, 80 * GIB)

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Rates:  # noqa: N802
        if handle.startswith("MIG-"):
            raise self.NVMLError_NotSupported("Not Supported")
        return Rates(37)


def use_of(visible: str | None) -> GpuUse | None:
    return Gpu(FakeNvml(), {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}).use()


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [
        (None, UUIDS[0]),
        ("2,0", UUIDS[2]),
        (" 1 ,2", UUIDS[1]),
        (UUIDS[1], UUIDS[1]),
        ("GPU-22223", UUIDS[2]),
        ("MIG-5555-1", "MIG-5555-1"),
    ],
)
def test_the_gpu_that_is_asked_is_the_first_that_cuda_sees(visible: str | None, wanted: str) -> None:
    found = use_of(visible)
    assert found is not None
    assert found.name == f"Fake {wanted}"
    assert found.memory_total == 80 * GIB


def test_a_slice_of_a_gpu_tells_its_memory_and_no_utilization() -> None:
    assert measure_gpu(Gpu(FakeNvml(), {"CUDA_VISIBLE_DEVICES": "MIG-5555-1"})) == {
        "gpu_name": "Fake MIG-5555-1",
        "gpu_memory_used": 10 * GIB,
        "gpu_memory_total": 80 * GIB,
    }


@pytest.mark.parametrize("visible", ["7", "GPU-9999", "NoDevFiles", ""])
def test_a_gpu_that_is_not_there_is_not_told_of(visible: str, caplog: pytest.LogCaptureFixture) -> None:
    assert use_of(visible) is None
    assert len(caplog.records) == 1


def test_a_machine_without_nvml_says_so_once_and_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The real library, which wants a driver that no test machine without a GPU has."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    gpu = Gpu(environment={})
    with caplog.at_level(logging.WARNING):
        assert gpu._ask() is None
        assert gpu._ask() is None
    assert [record.name for record in caplog.records] == ["worker.gpu"]


def test_a_gpu_whose_driver_fails_is_told_of_again_once_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    nvml = FakeNvml()
    gpu = Gpu(nvml, {})
    assert gpu._ask() is not None
    nvml.is_broken = True
    assert (gpu._ask(), gpu._ask()) == (None, None)
    assert len(caplog.records) == 1
    nvml.is_broken = False
    assert gpu._ask() is not None


def test_the_driver_is_asked_at_most_twice_a_second() -> None:
    nvml = FakeNvml()
    gpu = Gpu(nvml, {})
    assert {gpu.use() for _ in range(100)} == {GpuUse("Fake GPU-11110000-a", 0.37, GIB, 80 * GIB)}
    assert nvml.asked <= 2


def test_a_heartbeat_carries_the_gpu(database: Database) -> None:
    told = measure_gpu(Gpu(FakeNvml(), {"CUDA_VISIBLE_DEVICES": "1"}))
    wanted = {"gpu_name": "Fake GPU-22220000-b", "gpu_percent": 37.0, "gpu_memory_used": 2 * GIB}
    with database.write() as c:
        worker = make_worker(c)
        assert workers.beat(c, worker.id, measures=told).measures == {**wanted, "gpu_memory_total": 80 * GIB}


def test_a_run_on_a_gpu_records_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml()
    window = Window(steps=50, cases=800, seconds=2.0, device=torch.device("cpu"))
    found: dict[str, Any] = cost(window, Gpu(nvml, {}))
    assert (found["gpu_utilization"], found["gpu_memory"]) == (0.37, GIB)
    nvml.is_broken = True
    assert cost(window, Gpu(nvml, {})).keys() == cost(window, None).keys()
