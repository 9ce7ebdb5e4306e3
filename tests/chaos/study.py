"""What the kill tests train, and timers under which recoveries fit into a test.

Scaled from the defaults of domain.settings: heartbeat 0.5 s (5 s), self-fence 2 s (20 s), lease 3 s (30 s), reaper
0.5 s (5 s), announcing again 2 s (30 s), shipping metrics 0.25 s (1 s).
"""

from typing import Any

TIMERS: dict[str, Any] = {
    "heartbeat": 0.5,
    "self_fence": 2,
    "lease": 3,
    "reap_every": 0.5,
    "republish_after": 2,
    "tick": 0.25,
}
BASE: dict[str, Any] = {
    "dataset": {"kind": "digits"},
    "architecture": {"kind": "mlp", "hidden": [32]},
    "normalization": {"kind": "layer_norm"},
    "training": {
        "batch_size": 16,
        "budget": {"steps": 3000},
        "optimizer": {"kind": "adam", "lr": 1e-3},
        "evaluate_every": {"steps": 500},
        "checkpoint_every": {"steps": 200},
    },
}
STUDY: dict[str, Any] = {
    "name": "kills",
    "question": "Do kills leave a trace?",
    "base": BASE,
    "vary": {"normalization": [{"kind": "layer_norm"}, {"kind": "batch_norm"}]},
    "seeds": 2,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}
