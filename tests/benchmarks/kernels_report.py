"""The benchmark's page: tables of times and ratios, and for each target whether it was reached and how near it was."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
LARGE = 64 << 20
SETTINGS = {"default": "the allocator's default settings", "runner": "the runner's allocator settings"}


def page(machine: Sequence[str], found: Mapping[str, Sequence[Record]], quick: bool) -> str:
    """The whole page in Markdown."""
    parts = ["# Benchmarks of lncore's kernels", "", _introduction(quick), "", *(f"- {line}" for line in machine), ""]
    for setting, words in SETTINGS.items():
        records = found.get(f"norms {setting}", [])
        if records:
            parts += [f"## Normalization on the CPU, {words}", "", _norm_table(records), ""]
            parts += ["Targets:", "", *_norm_targets(records), ""]
    if found.get("recurrent"):
        parts += ["## Recurrent layers on the CPU, one training step", "", _recurrent_table(found["recurrent"]), ""]
        parts += ["Targets:", "", *_recurrent_targets(found["recurrent"]), ""]
    parts += ["## GPU", "", _gpu(found), ""]
    return "\n".join(parts)


def _introduction(quick: bool) -> str:
    kind = "A quick run: fewer shapes and rounds, so ratios near a bound mean little." if quick else "A full run."
    return (
        "Written by `make bench-kernels`. " + kind + " Times are medians; the ways compared take turns, so that a busy "
        "machine slows all of them alike. Results are allocated by each call and freed after it, as in a user's "
        "program. "
        "eager is `torch.nn.functional`, compile is `torch.compile` of the same lines, clone copies the input once. "
        "A ratio above 1 over eager or compile means that lncore is faster; over clone it is lncore's time in copies."
    )


def _norm_table(records: Iterable[Record]) -> str:
    lines = [
        (
            "| function | shape | direction | clone | eager | compile | lncore "
            "| eager ÷ lncore | compile ÷ lncore | lncore ÷ clone |"
        ),
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for r in records:
        compiled = r.get("compile")
        lines.append(
            f"| {r['function']} | {_shape(r)} | {r['direction']} | {_time(r['clone'])} | {_time(r['eager'])} | "
            f"{_time(compiled)} | {_time(r['lncore'])} | {_ratio(r['eager'], r['lncore'])} | "
            f"{_ratio(compiled, r['lncore'])} | {_ratio(r['lncore'], r['clone'])} |"
        )
    return "\n".join(lines)


def _norm_targets(records: Sequence[Record]) -> list[str]:
    slowdown = [(r["lncore"] / min(r["eager"], r.get("compile") or math.inf), r) for r in records]
    worst, at = max(slowdown, key=lambda pair: pair[0])
    late = sum(1 for ratio, _ in slowdown if ratio > 1.05)
    lines = [
        _verdict(
            worst <= 1.05,
            f"never more than 5 % slower than the best of eager and compile: {late} of {len(slowdown)} cells are, "
            f"at most {worst:.2f} times ({at['function']} {_shape(at)} {at['direction']})",
        )
    ]
    speed = _geometric([r["eager"] / r["lncore"] for r in _of(records, "rms_norm", "both")])
    lines.append(
        _verdict(speed >= 4, f"rms_norm forward and backward at least 4 times eager in geometric mean: {speed:.2f}")
    )
    speed = _geometric([r["eager"] / r["lncore"] for r in records if r["function"] == "layer_norm"])
    lines.append(_verdict(speed > 1, f"layer_norm ahead of eager in geometric mean of all cells: {speed:.2f}"))
    return lines + _large_targets(records)


def _large_targets(records: Sequence[Record]) -> list[str]:
    large = [r for r in records if r["bytes"] >= LARGE]
    if not large:
        return []
    forward = [r["eager"] / r["lncore"] for r in _of(large, "layer_norm", "forward")]
    copies = {
        direction: [r["lncore"] / r["clone"] for r in large if r["direction"] == direction and not _is_sum(r)]
        for direction in ("forward", "both")
    }
    return [
        _verdict(
            min(forward) >= 2, f"layer_norm forward at least 2 times eager from 64 MB up: {min(forward):.2f} at least"
        ),
        _verdict(
            max(copies["forward"]) <= 2, f"forward within 2 copies from 64 MB up: {max(copies['forward']):.2f} at most"
        ),
        _verdict(max(copies["both"]) <= 5, f"forward and backward within 5 copies: {max(copies['both']):.2f} at most"),
    ]


def _is_sum(r: Record) -> bool:
    """A residual norm reads and writes twice as much, so copies of its input are no measure for it."""
    return str(r["function"]).startswith("add_")


def _recurrent_table(records: Iterable[Record]) -> str:
    lines = [
        (
            "| cell | hidden | batch | torch, no norm | lncore, layer norm | cell by cell | products alone "
            "| lncore ÷ torch | products ÷ torch | cells ÷ lncore |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['cell']} | {r['hidden']} | {r['batch']} | {_time(r['torch'])} | {_time(r['lncore'])} | "
        f"{_time(r['cells'])} | {_time(r['products'])} | {_ratio(r['lncore'], r['torch'])} | "
        f"{_ratio(r['products'], r['torch'])} | {_ratio(r['cells'], r['lncore'])} |"
        for r in records
    ]
    return "\n".join(lines)


def _recurrent_targets(records: Sequence[Record]) -> list[str]:
    lines = []
    for least, most, bound in ((256, 512, 1.8), (0, 128, 2.0)):
        ratios = [r["lncore"] / r["torch"] for r in records if least <= r["hidden"] <= most]
        if ratios:
            words = f"at most {bound} times torch's layer at hidden {most if least == 0 else '256 and 512'}"
            lines.append(_verdict(max(ratios) <= bound, f"{words}: {max(ratios):.2f} at most"))
    gain = min(r["cells"] / r["lncore"] for r in records)
    return [*lines, _verdict(gain > 1, f"faster than cell by cell everywhere: {gain:.2f} times at least")]


def _gpu(found: Mapping[str, Sequence[Record]]) -> str:
    records = found.get("gpu", [])
    if not records:
        return "No CUDA device here: nothing was measured. Run `make bench-kernels` on a machine with one."
    names = [name for name in ("eager", "compile", "Liger", "lncore") if name in records[0]]
    lines = [
        f"| table | function | shape | type | direction | clone | {' | '.join(names)} | bytes/s | nominal | copy |",
        "|---|---|---|---|---|---:|" + "---:|" * (len(names) + 3),
    ]
    for r in records:
        times = " | ".join(_time(r.get(name)) for name in names)
        rate = r["bytes"] / r["lncore"]
        nominal = f"{100 * rate / r['nominal']:.0f} %" if r.get("nominal") else "–"
        per_pass = r["bytes"] / (2 if r["direction"] == "forward" else 3)
        lines.append(
            f"| {r['table']} | {r['function']} | {_shape(r)} | {r['type']} | {r['direction']} | {_time(r['clone'])} | "
            f"{times} | {rate / 1e12:.2f} TB/s | {nominal} | {100 * rate * r['clone'] / (2 * per_pass):.0f} % |"
        )
    lines += ["", "LSTM training step, lncore ÷ cuDNN: " + ", ".join(
        f"{r['lncore'] / r['cudnn']:.1f} at hidden {r['hidden']}, batch {r['batch']}" for r in found.get("gpu lstm", [])
    )]  # fmt: skip
    return "\n".join(lines)


def _of(records: Iterable[Record], function: str, direction: str) -> list[Record]:
    return [r for r in records if r["function"] == function and r["direction"] == direction]


def _geometric(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(value) for value in values) / len(values)) if values else math.nan


def _shape(r: Record) -> str:
    return "×".join(str(size) for size in r["shape"])


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _ratio(above: float | None, below: float) -> str:
    return "–" if above is None else f"{above / below:.2f}"


def _verdict(reached: bool, words: str) -> str:
    return f"- {'reached' if reached else '**not reached**'}: {words}"
