"""Other ways to write the same name: what typists, countries, catalogues and note-takers do to it.

Each perturbation is a pure function of a text and a random state. It gives one variant that keeps the meaning, or None
where it does not apply; the variant is never the text again under `normalise` (only `case` may be). A `modifier` adds a
detail, and keeps the concept where no ontology has the narrower one. Evaluation measures with them how robust a linker
is, training makes more names with them. The rules are for English; a text in another language mostly comes back as
None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from random import Random

from linker.errors import InvalidInput
from linker.spelling import american, british, cased
from linker.surface import normalise

Perturbation = Callable[[str, Random], str | None]


def perturb(name: str, text: str, seed: int) -> str | None:
    """The variant of `text` under the perturbation `name`, or None where it does not apply.

    The same for the same three arguments, whatever was asked before. Raises `InvalidInput` for an unknown name.

    >>> [perturb(name, "Anaemia, Aplastic", 0) for name in ("word_order", "spelling", "hyphen")]
    ['Aplastic Anaemia', 'Anemia, Aplastic', None]
    """
    if name not in PERTURBATIONS:
        raise InvalidInput(f"expected one of {', '.join(PERTURBATIONS)}, got {name!r}", field="perturbation")
    return PERTURBATIONS[name](text, Random(f"{seed} {name} {text}"))  # noqa: S311 - not for secrets


def _one(text: str, variants: Iterable[str], rng: Random) -> str | None:
    """One of the variants, among those that say something and are not the text again."""
    same = normalise(text)
    fresh = [v for v in dict.fromkeys(variants) if normalise(v) not in ("", same)]
    return rng.choice(fresh) if fresh else None


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _any_of(words: Iterable[str]) -> str:
    """A regular expression for one of the words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


# ------------------------------------------------------------------------------------------------------------- typo

_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {key: row[max(at - 1, 0) : at] + row[at + 1 : at + 2] for row in _KEY_ROWS for at, key in enumerate(row)}


def typo(text: str, rng: Random) -> str | None:
    """One slip inside a word of at least four letters: two swapped, one lost, one doubled, or the key beside it hit.

    The first letter of the word stays.
    """
    words = list(_LONG_WORD.finditer(text))
    if not words:
        return None
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end())
    before, char, after = text[:at], text[at], text[at + 1 :]
    slips = [before + after, before + char + char + after]
    if at + 1 < word.end():
        slips.append(before + after[0] + char + after[1:])
    if keys := _NEIGHBOURS.get(char.lower()):
        slips.append(before + cased(char, rng.choice(keys)) + after)
    return _one(text, slips, rng)


# ------------------------------------------------------------------------------------------------------------- case


def case(text: str, rng: Random) -> str | None:
    """UPPER CASE, Title Case or lower case, whichever the text is not in."""
    forms = [form for form in (text.upper(), text.title(), text.lower()) if form != text]
    return rng.choice(forms) if forms else None


# ------------------------------------------------------------------------------------------------------- word order

_FUNCTION_WORDS = _listed("a an and as at by due for from in nor of on or the to with without versus vs")
_AFTER_NOUN = _listed(  # Latin adjectives that are no head
    "alba areata bifida bullosa erythematosus externa gravis insipidus interna major media mellitus minor "
    "multiforme multiplex nervosa nodosum nos obliterans pigmentosa planus rosea simplex totalis tremens "
    "unspecified vera versicolor vulgaris zoster"
)
_GROWTHS = (
    "abscess adenocarcinoma adenoma cancer carcinoma cyst hemangioma lymphoma melanoma neoplasm sarcoma tumor tumour"
)
_HARMS = "atrophy deficiency disease disorder dysfunction failure fracture infection inflammation injury pain stenosis"
_HEADS = frozenset(f"{head}{s}" for head in f"{_GROWTHS} {_HARMS}".split() for s in ("", "s"))
_SITES = _listed(
    "ankle artery bladder bone brain breast cervix colon ear esophagus oesophagus eye face foot hand head heart "
    "hip jaw kidney knee larynx limb lip liver lung mouth muscle neck nerve nose ovary pancreas pelvis prostate "
    "rectum shoulder skin spine spleen stomach testis throat thyroid tongue trachea uterus vagina valve vein "
    "wrist"
)
_OF = re.compile(r"(?P<head>.+?) of (?:the )?(?P<site>[^\W\d_]+(?: [^\W\d_]+)?)", re.IGNORECASE)


def word_order(text: str, rng: Random) -> str | None:
    """Comma inversion undone or made, and "cancer of the lung" <-> "lung cancer"."""
    return _one(text, (*_uninverted(text), *_inverted(text), *_of_undone(text), *_of_made(text)), rng)


def _uninverted(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(", ")]
    first_words = [part.split()[0].lower() for part in parts if part]
    whole = len(first_words) == len(parts) and not _FUNCTION_WORDS.union(_AFTER_NOUN, {"type"}).intersection(
        first_words
    )
    listing = any(word in text.lower().split() for word in ("and", "or"))
    return [" ".join(reversed(parts))] if 2 <= len(parts) <= 3 and whole and not listing else []


def _inverted(text: str) -> list[str]:
    words = text.split()
    head = words[-1].lower() if words else ""
    plain = "," not in text and not _FUNCTION_WORDS.intersection(text.lower().split())
    noun = head.isalpha() and len(head) > 3 and head not in _AFTER_NOUN
    return [f"{words[-1]}, {' '.join(words[:-1])}"] if 2 <= len(words) <= 4 and plain and noun else []


def _of_undone(text: str) -> list[str]:
    found = _OF.fullmatch(text)
    if not found or found["head"].split()[-1].lower() not in _HEADS:
        return []
    *before, head = found["head"].split()
    return [" ".join([*before, found["site"], head])]


def _of_made(text: str) -> list[str]:
    *before, site, head = ["", "", *text.split()]
    if head.lower() not in _HEADS or site.lower() not in _SITES:
        return []
    return [" ".join([*before, head, "of the", site]).strip()]


# ----------------------------------------------------------------------------------------------------------- plural

_IRREGULAR = dict(
    pair.split("/")
    for pair in _listed(
        "bacillus/bacilli bacterium/bacteria bronchus/bronchi bursa/bursae calculus/calculi child/children "
        "cornea/corneae criterion/criteria diverticulum/diverticula embolus/emboli fistula/fistulae foot/feet "
        "fungus/fungi ganglion/ganglia hilum/hila locus/loci man/men metastasis/metastases naevus/naevi nevus/nevi "
        "nucleus/nuclei ovum/ova papilla/papillae petechia/petechiae phenomenon/phenomena septum/septa "
        "stimulus/stimuli stoma/stomata thrombus/thrombi tooth/teeth vertebra/vertebrae woman/women"
    )
)
_IRREGULAR |= {plural: singular for singular, plural in _IRREGULAR.items()}
_ONE_NUMBER = _listed(  # end in s and are singular, or both numbers at once
    "aids ascites atlas biceps caries diabetes fauces feces faeces forceps gas genitals herpes lens measles mumps "
    "pancreas psoas pus rabies rickets scabies series shingles species tabes"
)
_NO_NOUN = re.compile(r"(itis|ism|al|ic|ous|ary|ed|ive|ing|ly|less)$")  # no plural, or an adjective
_SINGULARS = (  # of a plural, the first that fits
    (re.compile(r"(?<!d)(?<!\bn)(?<!\br)oses$"), "osis"),
    (re.compile(r"yses$"), "ysis"),
    (re.compile(r"(ss|x|[^a]ch|sh|[lnprt]us)es$"), r"\1"),
    (re.compile(r"([^aeiou])ies$"), r"\1y"),
    (re.compile(r"([^siu])s$"), r"\1"),
)
_PLURALS = (  # of a singular, the first that fits
    (re.compile(r"([sx])is$"), r"\1es"),
    (re.compile(r"(ss|us|x|z|ch|sh)$"), r"\1es"),
    (re.compile(r"([^aeiou])y$"), r"\1ies"),
    (re.compile(r"([^s])$"), r"\1s"),
)
_HEAD = re.compile(r"([^\W\d_]{4,})(?=$|,| of | due to | with | in )")


def plural(text: str, rng: Random) -> str | None:
    """The other number of the head: "tumors of the lung" <-> "tumor of the lung", "metastasis" <-> "metastases"."""
    head = _HEAD.search(text)
    if not head or head[1].isupper():
        return None
    other = _other_number(head[1].lower())
    return _one(text, [text[: head.start()] + cased(head[1], other) + text[head.end() :]] if other else [], rng)


def _other_number(word: str) -> str | None:
    if word in _IRREGULAR or word in _ONE_NUMBER | _AFTER_NOUN:
        return _IRREGULAR.get(word)
    rules = _SINGULARS if _SINGULARS[-1][0].search(word) else () if _NO_NOUN.search(word) else _PLURALS
    return next((form.sub(other, word) for form, other in rules if form.search(word)), None)


# ----------------------------------------------------------------------------------------------------------- hyphen

_PREFIXES = _listed("non post anti pseudo multi micro macro intra extra neuro cardio gastro broncho beta alpha self")
_NOT_PREFIXED = "posterior|posture|postural|anticip|antigen|antibod|antidote|extraction|nonsense|microb|alphab"
_HYPHEN = re.compile(r"(?<=[^\W\d_]{2})-(?=[^\W\d_]{2})")
_PREFIX_APART = re.compile(rf"\b({_any_of(_PREFIXES)}) (?=[^\W\d_]{{4}})", re.IGNORECASE)
_PREFIX_JOINED = re.compile(rf"\b(?!{_NOT_PREFIXED})({_any_of(_PREFIXES)})(?=[^\W\d_]{{5}})", re.IGNORECASE)


def hyphen(text: str, rng: Random) -> str | None:
    """One compound written as one word or as two: "x-linked" -> "xlinked", "nonsmall" <-> "non-small".

    A hyphen or a space makes no difference to `normalise`, hence none here.
    """
    variants = [text[: m.start()] + text[m.end() :] for m in _HYPHEN.finditer(text)]
    variants += [text[: m.end() - 1] + text[m.end() :] for m in _PREFIX_APART.finditer(text)]
    variants += [text[: m.end()] + "-" + text[m.end() :] for m in _PREFIX_JOINED.finditer(text)]
    return _one(text, variants, rng)


# --------------------------------------------------------------------------------------------------------- spelling


def spelling(text: str, _: Random) -> str | None:
    """British spelling made American; where nothing is British, American made British.

    To `normalise` both are the same name, so training learns nothing from it, and linking loses nothing by it.
    """
    other = american(text)
    other = british(text) if other == text else other
    return None if other == text else other


# ----------------------------------------------------------------------------------------------- abbreviation, acronym

_SHORT = {
    "acute": "ac", "and": "&", "bilateral": "bilat", "carcinoma": "ca", "chronic": "chr", "congenital": "cong",
    "deficiency": "def", "disease": "dis", "disorder": "d/o", "fracture": "fx", "history of": "h/o",
    "hypertension": "htn", "infection": "inf", "insufficiency": "insuff", "left": "lt", "right": "rt",
    "secondary to": "2/2", "syndrome": "synd", "type 1": "type I", "type 2": "type II", "type 3": "type III",
    "type 4": "type IV", "with": "w/", "without": "w/o",
}  # fmt: skip
_LONG = {
    short: long for long, short in _SHORT.items() if short not in ("ac", "ca", "dis", "def", "inf", "fx", "rt", "lt")
}
_ABBREVIATIONS = {**_SHORT, **{short.lower(): long for short, long in _LONG.items()}}
_ABBREVIABLE = re.compile(rf"(?<![\w/])(?:{_any_of(_ABBREVIATIONS)})(?![\w/])", re.IGNORECASE)
_SMALL_WORDS = _listed("of the and in with to for")


def abbreviation(text: str, rng: Random) -> str | None:
    """One word or phrase as note-takers shorten it, or written out: "chronic" -> "chr", "type 2" <-> "type II"."""
    variants = [
        text[: m.start()] + cased(m[0], _ABBREVIATIONS[m[0].lower()]) + text[m.end() :]
        for m in _ABBREVIABLE.finditer(text)
    ]
    return _one(text, variants, rng)


def acronym(text: str, rng: Random) -> str | None:
    """The initials of three to six words: "chronic obstructive pulmonary disease" -> "COPD"."""
    words = [word for word in normalise(text).split() if word not in _SMALL_WORDS]
    fit = 3 <= len(words) <= 6 and all(word.isalpha() for word in words)
    return _one(text, ["".join(word[0] for word in words).upper()] if fit else [], rng)


# -------------------------------------------------------------------------------------------------------- qualifier

_QUALIFIED = re.compile(
    r"(.+?)(?:,? +(?:nos|unspecified(?: type)?|not otherwise specified)"
    r"| +\((?:disorder|finding|disease|morphologic abnormality)\))"
    r"|(\S+ \S.*?) +disorder",
    re.IGNORECASE,
)
_ILLNESS = re.compile(r"(?:itis|osis|asis|emia|pathy|oma|algia|plegia|trophy|syndrome|disease)s?$", re.IGNORECASE)
_ADDED = (", NOS", " NOS", ", unspecified", " unspecified", ", not otherwise specified", ", unspecified type")


def qualifier(text: str, rng: Random) -> str | None:
    """A trailing "NOS", "unspecified" or "(disorder)" dropped; where there is none, one added."""
    if qualified := _QUALIFIED.fullmatch(text):
        return _one(text, [qualified[1] or qualified[2]], rng)
    added = (*_ADDED, " (disorder)", " disorder") if _ILLNESS.search(text) else _ADDED
    return _one(text, (text + words for words in added), rng)


# --------------------------------------------------------------------------------------------------------- modifier

_BEFORE = (
    "mild", "moderate", "severe", "marked", "slight", "progressive", "worsening", "recurrent", "persistent",
    "intermittent", "transient", "refractory", "resistant", "advanced", "sporadic", "idiopathic", "isolated",
    "bilateral", "unilateral", "left", "right", "left-sided", "right-sided", "diffuse", "extensive", "generalized",
    "localized",
    "early", "late", "new", "new-onset", "long-standing", "previous", "recent", "suspected", "probable", "possible",
    "known", "documented", "underlying", "symptomatic", "asymptomatic", "spontaneous", "drug-induced",
    "treatment-related", "chemotherapy-induced", "postoperative", "stage II", "stage IV", "grade 3", "low-grade",
    "high-grade", "typical", "atypical", "classic", "human", "adult", "episodes of", "symptoms of", "signs of",
    "development of", "evidence of", "diagnosis of", "occurrence of", "exacerbation of",
)  # fmt: skip
_AFTER = ("episodes", "attacks", "symptoms", "lesions", "phenotype", "on the left", "of the right side", "in adults")


def modifier(text: str, rng: Random) -> str | None:
    """A detail that notes give and names seldom have: "anemia" -> "severe anemia", "episodes of anemia"."""
    words = set(normalise(text).split())
    if not words:
        return None
    fresh = [m for m in _BEFORE if words.isdisjoint(normalise(m).split())]
    return _one(text, [*(f"{m} {text}" for m in fresh), *(f"{text} {m}" for m in _AFTER)], rng)


PERTURBATIONS: dict[str, Perturbation] = {
    "typo": typo,
    "case": case,
    "word_order": word_order,
    "plural": plural,
    "hyphen": hyphen,
    "spelling": spelling,
    "abbreviation": abbreviation,
    "acronym": acronym,
    "qualifier": qualifier,
    "modifier": modifier,
}
