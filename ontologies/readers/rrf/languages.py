"""The languages of UMLS vocabularies as BCP-47 tags.

LAT is a language's three-letter code of ISO 639-2/B (https://www.loc.gov/standards/iso639-2/), and SCR for Croatian;
BCP-47 wants the shortest code a language has (RFC 5646, section 2.2.1). LOINC's translations say the country too.
"""

from __future__ import annotations

import re

# Those of the UMLS, and of the other languages that MedDRA, ICD or SNOMED CT are published in.
_LANGUAGES = """
ARA=ar ARM=hy BAQ=eu BEL=be BUL=bg CAT=ca CHI=zh CZE=cs DAN=da DUT=nl ENG=en EST=et FIN=fi FRE=fr GEO=ka GER=de
GLE=ga GLG=gl GRE=el HEB=he HIN=hi HRV=hr HUN=hu ICE=is IND=id ITA=it JPN=ja KAZ=kk KOR=ko LAT=la LAV=lv LIT=lt
MAC=mk MAY=ms NOB=nb NNO=nn NOR=no PER=fa POL=pl POR=pt RUM=ro RUS=ru SCC=sr SCR=hr SLO=sk SLV=sl SPA=es SRP=sr
SWE=sv THA=th TUR=tr UKR=uk VIE=vi
"""
_TAGS = {pair[:3]: pair[4:] for pair in _LANGUAGES.split()}
_COUNTRY = re.compile(rb"LNC-([A-Z]{2})-([A-Z]{2})")


def language_tag(language: bytes, vocabulary: bytes) -> str | None:
    """The tag of a row's LAT and SAB: "" where it states no language, None where what it states is none.

    >>> language_tag(b"GER", b"MSHGER"), language_tag(b"SPA", b"LNC-ES-AR"), language_tag(b"HAW", b"X")
    ('de', 'es-AR', 'haw')
    """
    if country := _COUNTRY.fullmatch(vocabulary):
        return f"{country[1].decode().lower()}-{country[2].decode()}"
    text = language.decode(errors="replace").strip()
    if text in _TAGS or not text:
        return _TAGS.get(text, "")
    return text.lower() if re.fullmatch(r"[A-Z]{3}", text) else None
