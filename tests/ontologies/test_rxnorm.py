"""`read_rxnorm`: what RxNorm has that the Metathesaurus has not."""

import pytest

from ontologies.errors import SourceError
from ontologies.readers import read
from ontologies.records import Code, Concept, Name, Replacement, TermType


def atom(rxcui, name, *, sab="RXNORM", tty="IN", code="", suppress="N"):
    fields = [rxcui, "ENG", "", "", "", "", "", "1", "", "", "", sab, tty, code or rxcui, name, "", suppress, "4096"]
    return "|".join(fields) + "|"


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / f"{name}.RRF").write_text("".join(line + "\n" for line in lines))
    return folder


NAMES = [
    atom("9", "inventol synonym", tty="SY"),
    atom("9", "Inventol (product)", sab="SNOMEDCT_US", tty="FN", code="77"),
    atom("9", "inventol"),
    atom("10", "inventol 5 MG Oral Tablet", tty="SCD"),
]


@pytest.fixture
def release(tmp_path):
    relations = [
        "9||CUI|RN|10||CUI|isa|1||RXNORM|RXNORM||||4096|",  # the second is a first
        "10||CUI|RB|9||CUI|inverse_isa|2||RXNORM|RXNORM||||4096|",
        "|1|AUI|PAR||2|AUI|inverse_isa|3||ATC|ATC||||4096|",
        "9||CUI|RO|10||CUI|has_ingredient|4||RXNORM|RXNORM||||4096|",
    ]
    retired = ["7|2020_01|2020_02|1|9|", "6|2020_01|2020_02|1|6|", "5|2020_01|2020_02|2|10|"]
    versions = [
        "|C1|RXNORM_26AA_260504F|RXNORM|RxNorm Vocabulary|RXNORM|26AA_260504F||||||scc|0|1|1||||ENG|UTF-8|Y|Y||Cite.|"
    ]
    return write(tmp_path / "rrf", RXNCONSO=NAMES, RXNREL=relations, RXNCUI=retired, RXNSAB=versions).parent


def test_records(release):
    assert list(read(release).records) == [
        Concept(concept_id="RXNORM:9", line=1),
        Name(
            concept_id="RXNORM:9",
            name="inventol",
            language="en",
            term_type=TermType.PREFERRED,
            source="RXNORM",
            line=3,
        ),
        Name(concept_id="RXNORM:9", name="inventol synonym", language="en", source="RXNORM", line=1),
        Name(
            concept_id="RXNORM:9",
            name="Inventol (product)",
            language="en",
            term_type=TermType.FULLY_SPECIFIED,
            source="SNOMEDCT_US",
            line=2,
        ),
        Code(concept_id="RXNORM:9", system="SNOMEDCT", code="77", source="SNOMEDCT_US", line=2),
        Concept(concept_id="RXNORM:10", line=4),
        Name(
            concept_id="RXNORM:10",
            name="inventol 5 MG Oral Tablet",
            language="en",
            term_type=TermType.PREFERRED,
            source="RXNORM",
            line=4,
        ),
        Concept(concept_id="RXNORM:10", parents=("RXNORM:9",)),
        Replacement(concept_id="RXNORM:7", replaced_by="RXNORM:9", relation="SY"),
        Replacement(concept_id="RXNORM:5", replaced_by="RXNORM:10", relation="RN"),
    ]


def test_version(release):
    rxnorm, snomed = read(release).releases
    assert (rxnorm.source, rxnorm.version) == ("RXNORM", "26AA_260504F")
    assert snomed.source == "SNOMEDCT_US"


def test_the_subset_for_prescribing_is_no_second_release(release):
    write(release / "prescribe" / "rrf", RXNCONSO=NAMES[:1])
    assert len([r for r in read(release).records if isinstance(r, Concept) and r.line]) == 2
    assert len([r for r in read(release / "prescribe").records if isinstance(r, Concept)]) == 1
    write(release / "older", RXNCONSO=NAMES)
    with pytest.raises(SourceError, match="one RXNCONSO"):
        read(release)
