"""Scripts by language tag."""

from __future__ import annotations

import pytest

from training.scripts import is_in_script, scripts_of


@pytest.mark.parametrize(
    ("tag", "name", "expected"),
    [
        ("es", "Año de infección", True), ("es", "лихорадка", False), ("de", "ß-Thalassämie", True),
        ("es", "β-talasemia", True), ("es", "β", False), ("ru", "β-талассемия", True), ("ru", "fever", False),
        ("zh-Hans", "发烧", True), ("ja", "かぜ", True), ("sr-Latn", "groznica", True), ("sr-Cyrl", "groznica", False),
        ("el", "πυρετός", True), ("es", "46, 5", True),
    ],
)  # fmt: skip
def test_a_name_is_in_the_script_of_its_language(tag: str, name: str, expected: bool) -> None:
    assert is_in_script(name, scripts_of(tag)) is expected
