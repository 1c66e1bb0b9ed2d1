"""SNOMED CT's own identifiers of what a reader has to know: types, dialects, associations, maps, correlations.

Dialects: https://docs.snomed.org/snomed-ct-specifications/snomed-ct-expression-constraint-language, Appendix C. The
others are concepts of the metadata hierarchy, 900000000000441003 |SNOMED CT Model Component|, with their meaning.
"""

from __future__ import annotations

IS_A = 116680003
STATED = 900000000000010007
FULLY_SPECIFIED = 900000000000003001
SYNONYM = 900000000000013009
DEFINITION = 900000000000550004
PREFERRED = 900000000000548007
CORE_MODULE = 900000000000207008
MODEL_MODULE = 900000000000012004

# Language reference sets by BCP-47 tag: a country only where the set is of one country's usage of a language.
DIALECTS = {
    554461000005103: "da",
    722130004: "de",
    32570271000036106: "en-AU",
    19491000087109: "en-CA",
    900000000000508004: "en-GB",
    999000671000001103: "en-GB",  # dictionary of medicines and devices
    999000681000001101: "en-GB",  # drug extension
    999000691000001104: "en-GB",  # realm, pharmacy part
    999001251000000103: "en-GB",  # extension
    999001261000000100: "en-GB",  # realm, clinical part
    21000220103: "en-IE",
    271000210107: "en-NZ",
    281000210109: "en-NZ",  # patient-friendly terms
    900000000000509007: "en-US",
    448879004: "es",
    450828004: "es-419",
    5641000179103: "es-UY",
    2041000195100: "de-CH",
    71000181105: "et",
    722131000: "fr",
    21000241105: "fr",  # common French
    21000172104: "fr-BE",
    711000172101: "fr-BE",  # general practice
    20581000087109: "fr-CA",
    2021000195106: "fr-CH",
    10031000315102: "fr-FR",
    2031000195108: "it-CH",
    722129009: "ja",
    21000267104: "ko",
    291000210106: "mi",
    61000202103: "nb",
    91000202106: "nn",
    31000172101: "nl-BE",
    701000172104: "nl-BE",  # general practice
    31000146106: "nl-NL",
    46011000052107: "sv",
    722128001: "zh",
}

# Historical associations of an inactive concept, the surest first.
ASSOCIATIONS = {
    900000000000527005: "SAME_AS",
    900000000000526001: "REPLACED_BY",
    1186921001: "POSSIBLY_REPLACED_BY",
    900000000000530003: "ALTERNATIVE",
    900000000000523009: "POSSIBLY_EQUIVALENT_TO",
    1186924009: "PARTIALLY_EQUIVALENT_TO",
    900000000000529008: "SIMILAR_TO",
    900000000000528000: "WAS_A",
    900000000000524003: "MOVED_TO",  # to a namespace, not to a concept that means the same
}

# Map reference sets by the vocabulary they map to.
MAPS = {
    447562003: "ICD10",
    999002271000000101: "ICD10",  # United Kingdom, fifth edition
    6011000124106: "ICD10CM",
    447563008: "ICD9CM",
    447569007: "ICD9CM",
    446608001: "ICDO",
    450993002: "ICPC2",
    467614008: "GMDN",
    999002741000000101: "OPCS4",  # version 4.8
    1126441000000105: "OPCS4",  # 4.9
    1382401000000109: "OPCS4",  # 4.10
    1891651000000103: "OPCS4",  # 4.11
    784008009: "ORPHANET",
    816210007: "MEDDRA",
    900000000000497000: "CTV3",
    900000000000498005: "SNOMEDRT",
}

# What a map row says of its own sureness, as SSSOM predicates.
CORRELATIONS = {
    447557004: "skos:exactMatch",
    447558009: "skos:broadMatch",  # narrow source to broad target
    447559001: "skos:narrowMatch",
    447560006: "skos:relatedMatch",
    1193548004: "skos:exactMatch",
    1193549007: "skos:broadMatch",
    1193547009: "skos:narrowMatch",
    1193550007: "skos:relatedMatch",
}
NOT_MAPPABLE = (447556008, 1193551006)
PROPERLY_CLASSIFIED = 447637006
