"""`read_unii`: the FDA's list of substance names, and each way a row can be wrong."""

import pytest

from ontologies.errors import SourceError
from ontologies.readers import read, recognised
from ontologies.readers.options import Options, Problems
from ontologies.records import Concept, Name, TermType

ROWS = (
    "ZORVEX\tof\tAAAAAAAAA1\tZORVEX SODIUM",
    "ZORVEX SODIUM [USP-RS]\tcn\tAAAAAAAAA1\tZORVEX SODIUM",
    "ZX-12\tcd\tAAAAAAAAA1\tZORVEX SODIUM",
    "5H-[1]BENZOZORVEX\tsys\tBBBBBBBBB2\tBENZOZORVEX",
)


def text(*rows, header="Name\tTYPE\tUNII\tDisplay Name"):
    return "\r\n".join([header, *rows, ""])


def names(source):
    return [(r.concept_id, r.name, r.term_type) for r in source.records if isinstance(r, Name)]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "UNII_Names_26Sep2024.txt"
    file.write_text(text(*ROWS), newline="")
    return file


def test_the_display_name_is_preferred_and_a_list_is_no_part_of_a_name(path):
    assert recognised(path).name.startswith("FDA")
    assert list(dict.fromkeys(names(read(path)))) == [
        ("UNII:AAAAAAAAA1", "ZORVEX SODIUM", TermType.PREFERRED),
        ("UNII:AAAAAAAAA1", "ZORVEX", TermType.SYNONYM),
        ("UNII:AAAAAAAAA1", "ZX-12", TermType.SYNONYM),
        ("UNII:BBBBBBBBB2", "BENZOZORVEX", TermType.PREFERRED),
        ("UNII:BBBBBBBBB2", "5H-[1]BENZOZORVEX", TermType.SYNONYM),
    ]
    assert [(r.concept_id, r.line) for r in read(path).records if isinstance(r, Concept)] == [
        ("UNII:AAAAAAAAA1", 2),
        ("UNII:BBBBBBBBB2", 5),
    ]


def test_the_release_has_the_date_of_its_file(path):
    [release] = read(path).releases
    assert (release.source, release.version, release.date) == ("UNII", "2024-09-26", "2024-09-26")
    assert "Government" in release.licence


def test_types_of_names_can_be_chosen(path):
    chosen = {name for _, name, _ in names(read(path, Options(term_types=("of", "sys"))))}
    assert chosen == {"ZORVEX SODIUM", "ZORVEX", "BENZOZORVEX", "5H-[1]BENZOZORVEX"}
    with pytest.raises(SourceError, match="of, cn, bn, sys, cd.*got PT"):
        read(path, Options(term_types=("PT",)))


def test_an_older_header_and_one_that_is_none(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text(text(*ROWS, header="Name\tTYPE\tUNII\tPT"))
    assert ("UNII:AAAAAAAAA1", "ZORVEX SODIUM", TermType.PREFERRED) in names(read(file))
    file.write_text(text(*ROWS, header="Name\tTYPE\tUNII\tRN"))
    with pytest.raises(SourceError, match="Display Name and PT, got Name, TYPE, UNII, RN"):
        read(file)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("ZORVEX\tcn\tAAAA\tZORVEX", "UNII"),
        ("\tcn\tAAAAAAAAA1\tZORVEX", "Name"),
        ("ZORVEX\tcn\tAAAAAAAAA1\t", "Display Name"),
        ("ZORVEX\tcn\tAAAAAAAAA1", None),
    ],
)
def test_a_wrong_row_is_named_or_counted(tmp_path, row, field):
    file = tmp_path / "names.txt"
    file.write_text(text(row, *ROWS))
    with pytest.raises(SourceError) as caught:
        list(read(file).records)
    assert (caught.value.line, caught.value.field) == (2, field)
    problems = Problems(lenient=True)
    found = list(read(file, Options(problems=problems)).records)
    assert problems.counts.total() == 1
    assert len({r.concept_id for r in found}) == 2
