import math
from dataclasses import replace

from impasto_training.networks.student import ARCHITECTURES
from impasto_training.search import Finding, candidates, pareto, picture, table


def finding(name: str, milliseconds: float, lpips: float) -> Finding:
    return Finding(name, 320, 192, 249.0, 190_000, milliseconds, milliseconds / 10.0, lpips, 100)


def test_the_front_holds_what_nothing_beats() -> None:
    slow, fast, beaten = finding("slow", 20.0, 0.2), finding("fast", 5.0, 0.3), finding("beaten", 10.0, 0.31)
    assert pareto([slow, beaten, fast]) == [fast, slow]
    assert pareto([slow, replace(slow, name="twin")])[0] == slow


def test_every_finding_is_in_table_and_picture() -> None:
    findings = [finding("slow", 20.0, 0.2), finding("fast", 5.0, 0.3)]
    assert all(f.name in text for f in findings for text in (table(findings), picture(findings)))
    assert "nan" not in picture(findings)


def test_candidates_differ_and_hold_the_shipped_networks() -> None:
    known = list(candidates())
    assert len({candidate.name for candidate in known}) == len(known)
    networks = {candidate.network: candidate.architecture for candidate in known}
    assert all(networks[candidate.network] == candidate.architecture for candidate in known)
    assert len(set(map(str, networks.values()))) == len(networks)
    assert {ARCHITECTURES["small"], ARCHITECTURES["medium"]} <= {candidate.architecture for candidate in known}
    assert all(math.prod((c.width % 16 == 0, c.height % 16 == 0)) for c in known)
