"""A part of a large study: so many settings and variants as one page can show, and where it stands in the whole."""

from dataclasses import dataclass

from api.dashboard.evidence import Evidence

CELLS = 240
"""Cells of one page."""
VARIANTS = 120


@dataclass(frozen=True)
class Part:
    """Settings (strata) `first` to `last` of `settings`, counted from 1, with the first `shown` of `variants`."""

    number: int
    count: int
    first: int
    last: int
    settings: int
    shown: int
    variants: int

    @property
    def is_whole(self) -> bool:
        return self.count == 1 and self.shown == self.variants


def part_of(evidence: Evidence, chosen: str | None = None) -> tuple[Evidence, Part]:
    """The evidence of the part with the chosen number; without one the first, beyond the last part the last."""
    comparison = evidence.comparison
    variants = list(evidence.variants[:VARIANTS])
    wide = max(1, CELLS // max(1, len(variants)))
    count = max(1, -(-len(comparison.strata) // wide))
    number = min(max(1, int(chosen)), count) if chosen and chosen.isdecimal() and len(chosen) < 9 else 1
    strata = comparison.strata[(number - 1) * wide : number * wide]
    first = (number - 1) * wide + 1
    part = Part(
        number,
        count,
        first,
        first + len(strata) - 1,
        len(comparison.strata),
        len(variants),
        len(evidence.variants),
    )
    return (evidence if part.is_whole else _only(evidence, set(variants), set(strata))), part


def _only(evidence: Evidence, variants: set[str], strata: set[str]) -> Evidence:
    """What is about these variants and strata; the numbers stay what they are in the whole, corrections included."""
    whole = evidence.comparison
    comparison = whole.model_copy(
        update={
            "strata": [stratum for stratum in whole.strata if stratum in strata],
            "groups": [each for each in whole.groups if each.variant in variants and each.stratum in strata],
            "differences": [each for each in whole.differences if each.variant in variants and each.stratum in strata],
            "verdicts": [each for each in whole.verdicts if each.variant in variants and each.stratum in strata],
            "headlines": [each for each in whole.headlines if each.variant in variants],
        }
    )
    return Evidence(comparison, evidence.runs, [each for each in evidence.variants if each in variants])
