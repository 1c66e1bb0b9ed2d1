"""What a build says of licences: one that is not stated, one that has ended, one that nobody knows."""

import pytest

from ontologies.cli import _licence_warnings
from ontologies.readers.licences import has_expired
from ontologies.records import Release


@pytest.mark.parametrize(
    ("licence", "expired"),
    [
        ("expires 2025-12-31", True),
        ("valid until 2025", True),
        ("Expired on 2026-11", False),  # in the month that is
        ("until 2027-01-01", False),
        ("CC-BY-4.0", False),
        ("Apache License, Version 2.0, January 2004", False),
        ("", False),
    ],
)
def test_a_licence_that_has_ended(licence, expired):
    assert has_expired(licence, today="2026-11-23") is expired


def test_warnings():
    releases = [Release(source="A", licence="CC0-1.0"), Release(source="B"), Release(source="C", licence="until 1999")]
    releases.append(Release(source="D", licence="as agreed"))
    unstated, ended, unknown = _licence_warnings(releases)
    assert "B states none" in unstated
    assert "C has ended" in ended
    assert "D states 'as agreed'" in unknown
    assert list(_licence_warnings(releases[:1])) == []
