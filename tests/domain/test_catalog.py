"""The catalog: menus are read as the generator writes them, and choices are checked against them."""

import pytest

from domain.catalog import load_catalog
from domain.nearest import suggest
from tests.domain.small_catalog import CATALOG


def test_a_choice_is_completed_in_the_order_of_its_options() -> None:
    resolved, errors = CATALOG.check("normalizations", {"image_axes": "c", "kind": "layer_norm"}, "")
    assert errors == []
    assert list(resolved.items()) == [("kind", "layer_norm"), ("eps", 1e-5), ("bias", True), ("image_axes", "c")]


def test_whole_numbers_become_fractional_where_those_are_meant() -> None:
    resolved, _ = CATALOG.check("normalizations", {"kind": "layer_norm", "eps": 1}, "")
    assert isinstance(resolved["eps"], float)


def test_none_is_accepted_only_where_an_option_is_nullable() -> None:
    resolved, errors = CATALOG.check("normalizations", {"kind": "fitted", "scale": 0.5, "limit": None}, "")
    assert (resolved["limit"], errors) == (None, [])
    _, errors = CATALOG.check("normalizations", {"kind": "fitted", "scale": None}, "/normalization")
    assert [error.pointer for error in errors] == ["/normalization/scale"]


def test_what_only_one_menu_has_is_a_fact() -> None:
    assert CATALOG.variant("datasets", "digits").fact("classes") == 10
    assert CATALOG.variant("datasets", "digits").fact("colour", "grey") == "grey"


def test_an_unknown_menu_is_empty() -> None:
    assert CATALOG.menu("fonts") == {}


@pytest.mark.parametrize("menu", ["normalizations", "architectures", "datasets", "metrics"])
def test_the_generated_catalog_is_read_with_a_sentence_for_every_variant(menu: str) -> None:
    variants = load_catalog().menu(menu)
    assert variants
    assert all(variant.summary for variant in variants.values())


def test_every_default_of_the_generated_catalog_passes_its_own_check() -> None:
    catalog = load_catalog()
    for menu, variants in catalog.menus.items():
        for name, variant in variants.items():
            defaults = {option: entry.default for option, entry in variant.options.items() if not entry.required}
            resolved, errors = catalog.check(menu, {"kind": name, **defaults}, "")
            assert errors == []
            assert resolved == {"kind": name, **defaults}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("layernorm", "Did you mean layer_norm?"),
        ("Layer_Norm", "Did you mean layer_norm?"),
        ("batch", "Did you mean batch_norm?"),
        ("norm", "There are: batch_norm, group_norm, layer_norm."),
        ("xyz", "There are: batch_norm, group_norm, layer_norm."),
    ],
)
def test_the_nearest_name_is_offered_or_else_all(wrong: str, sentence: str) -> None:
    assert suggest(wrong, ["layer_norm", "batch_norm", "group_norm"]) == sentence
