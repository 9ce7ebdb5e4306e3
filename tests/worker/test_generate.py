"""The catalog in domain/ is the menus as they are."""

import json
import subprocess
import sys
from typing import Any

from domain.catalog import load_catalog
from domain.size import size_of
from tests.worker.plant import ROOT
from tests.worker.specs import spec_of
from worker import generate
from worker.training.size import measure_need


def test_the_catalog_is_not_stale() -> None:
    stored = generate.CATALOG.read_text(encoding="utf-8")
    assert stored == generate.render(generate.build_catalog()), "run `make generate` and commit domain/catalog.json"


def test_listing_and_reading_the_catalog_needs_no_torch() -> None:
    code = (
        "import sys, domain.catalog as c; c.load_catalog().menu('datasets')['digits']; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_every_menu_describes_its_variants() -> None:
    catalog = json.loads(generate.CATALOG.read_text(encoding="utf-8"))
    for menu in ("normalizations", "architectures", "datasets", "metrics"):
        assert catalog[menu]
        for variant in catalog[menu].values():
            assert variant["summary"].endswith(".")


def test_the_estimate_from_the_catalog_is_the_size_of_the_model() -> None:
    """What the API refuses by and what the runner measures agree within a tenth."""
    catalog = load_catalog()
    chosen_ones: list[dict[str, Any]] = [{"kind": "mlp", "hidden": [300, 200]}, {"kind": "convnet"}]
    for architecture in chosen_ones:
        spec = spec_of(architecture=architecture)
        estimated = size_of(spec.resolved(), catalog)
        built = measure_need(spec, (1, 8, 8), 10)
        assert abs(estimated.parameters - built.parameter_count) <= 0.1 * built.parameter_count
