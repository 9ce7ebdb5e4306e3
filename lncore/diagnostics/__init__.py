"""What a normalization does, measured: invariances, the geometry of gradients, and statistics of layers in training."""

from lncore.diagnostics.geometry import (
    column_sums,
    effective_learning_rate,
    fisher_block,
    gradient_along_rows,
    gradient_along_weight,
)
from lncore.diagnostics.invariance import (
    PAPER_TABLE_1,
    TRANSFORMATIONS,
    Invariance,
    invariances,
    measure_invariances,
)
from lncore.diagnostics.watch import LayerStatistics, LayerWatch

__all__ = [
    "PAPER_TABLE_1",
    "TRANSFORMATIONS",
    "Invariance",
    "LayerStatistics",
    "LayerWatch",
    "column_sums",
    "effective_learning_rate",
    "fisher_block",
    "gradient_along_rows",
    "gradient_along_weight",
    "invariances",
    "measure_invariances",
]
