"""Every published number is a claim of a file in docs/results, and README says nothing else.

In README a figure stands between `<!-- claim:ID -->` and `<!-- /claim -->`; it must equal the claim as `formatted`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
KEYS = {"id", "value", "unit", "interval", "n", "target", "met", "command"}
COMPARISONS = {">=": float.__ge__, "<=": float.__le__, ">": float.__gt__, "<": float.__lt__}
MARK = re.compile(r"<!--\s*claim:(?P<id>[\w.-]+)\s*-->(?P<text>.*?)<!--\s*/claim\s*-->", re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def all_claims(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*.json"))
    return [claim for file in files for claim in json.loads(file.read_text(encoding="utf-8"))["claims"]]


def formatted(claim: dict[str, Any]) -> str:
    """As README writes it: a share as a percentage, a quality with 4 digits, the rest with 3 significant ones."""
    value, unit = claim["value"], claim["unit"]
    if unit == "share":
        return f"{100 * value:.2f}%"
    if unit == "accuracy":
        return f"{value:.4f}"
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"
    return f"{number}x" if unit == "x" else f"{number} {unit}" if unit else number


def is_met(claim: dict[str, Any]) -> bool | None:
    """Whether the value fulfils a target of the form '>= 0.895'; None where it has another form."""
    match = re.fullmatch(r"(>=|<=|>|<)\s*([\d.]+)", claim["target"] or "")
    return COMPARISONS[match[1]](float(claim["value"]), float(match[2])) if match else None


def problems(claim: dict[str, Any]) -> list[str]:
    """What is wrong with a claim, in words."""
    found = [f"lacks {key}" for key in sorted(KEYS - claim.keys())]
    if found:
        return found
    if not isinstance(claim["met"], bool) and claim["target"] is not None:
        found.append("met is neither true nor false")
    if is_met(claim) not in (None, claim["met"]):
        found.append(f"met is {claim['met']} but the value is {claim['value']}, the target {claim['target']}")
    if claim["met"] is False and not claim.get("why"):
        found.append("was missed and does not say why")
    low, high = claim["interval"] or (claim["value"], claim["value"])
    if not low <= claim["value"] <= high:
        found.append("lies outside its interval")
    if not claim["command"]:
        found.append("has no command that re-makes it")
    return found


GOOD = {
    "id": "a", "value": 0.9, "unit": "accuracy", "interval": [0.88, 0.92], "n": 872, "target": ">= 0.895", "met": True,
    "command": "penjing run sst2",
}  # fmt: skip


def test_the_check_finds_what_is_wrong_with_a_claim() -> None:
    assert problems(GOOD) == []
    assert problems({**GOOD, "value": 0.89}) == ["met is True but the value is 0.89, the target >= 0.895"]
    assert problems({**GOOD, "value": 0.89, "met": False}) == ["was missed and does not say why"]
    assert problems({**GOOD, "interval": [0.95, 1.0]}) == ["lies outside its interval"]
    assert problems({k: v for k, v in GOOD.items() if k != "n"}) == ["lacks n"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.89679, "accuracy", "0.8968"), (0.0092, "share", "0.92%"), (5.234, "x", "5.23x"), (5.2, "x", "5.20x"),
     (6.75, "MB", "6.75 MB"), (4917634, "parameters", "4,917,634 parameters"), (1234.5, "ms", "1,234 ms")],
)  # fmt: skip
def test_a_figure_is_written_with_as_many_digits_as_it_deserves(value: float, unit: str, text: str) -> None:
    assert formatted({"value": value, "unit": unit}) == text


def test_published_claims_are_whole_and_true_to_their_targets() -> None:
    for claim in all_claims(ROOT / "docs" / "results"):
        assert not problems(claim), f"{claim.get('id')} {problems(claim)}"


def test_no_two_claims_share_an_id() -> None:
    ids = [claim["id"] for claim in all_claims(ROOT / "docs" / "results")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_figures_of_a_page_are_those_of_the_claims(page: Path) -> None:
    claims = {claim["id"]: claim for claim in all_claims(ROOT / "docs" / "results")}
    text = page.read_text(encoding="utf-8")
    marks = list(MARK.finditer(text))
    assert len(marks) == text.count("<!-- claim:"), "a mark is not closed with <!-- /claim -->"
    for mark in marks:
        assert mark["id"] in claims, f"{page.name} cites {mark['id']}, which docs/results does not hold"
        assert mark["text"].strip() == formatted(claims[mark["id"]]), mark["id"]


def test_every_row_of_the_results_table_cites_a_claim() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"<!-- results -->(.*?)<!-- /results -->", readme, re.DOTALL)
    assert section, "README has no <!-- results --> section"
    rows = [line for line in section[1].splitlines() if line.startswith("|")][2:]
    assert all("<!-- claim:" in row for row in rows)
