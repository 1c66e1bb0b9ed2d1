"""Invented names: what an export is calibrated on and, where no file of names is given, compared on."""

from __future__ import annotations

from itertools import product

_HOW = ("", "acute ", "chronic ", "severe ", "familial ", "recurrent ", "mild bilateral ", "history of ", "type 2 ")
_WHERE = (
    "renal", "hepatic", "left femoral", "cardiac", "pulmonary", "gastric", "retinal", "cutaneous", "spinal",
    "cerebral", "thyroid", "breast", "upper respiratory tract", "colon", "pancreatic", "x-linked muscular",
)  # fmt: skip
_WHAT = (
    "failure", "carcinoma", "pain", "fracture", "inflammation", "atrophy, early-onset", "infection (disorder)",
    "tumour", "stenosis", "oedema due to injury", "malformation syndrome 3b", "hemorrhage", "bacteriemia",
)  # fmt: skip
_ALONE = (
    "aids", "copd", "mi", "t2dm", "hiv-1", "dmd", "fever", "right", "left", "friend", "pain", "water", "o",
    "paracetamol 500 mg oral tablet", "1,25-dihydroxyvitamin d3", "acetylsalicylic acid", "beta-2-microglobulin",
    "deficiency of glucose-6-phosphate dehydrogenase", "ehlers-danlos syndrome, vascular type", "h. pylori",
    "open reduction and internal fixation of fracture of neck of femur (procedure)", "il-6", "brca1", "hmb", "dfn",
    "insulina glargina", "diabète de type 2", "niereninsuffizienz", "dolor torácico", "α-thalassemia", "covid-19",
    "body mass index 30+ - obesity", "mother", "smoker (finding)", "serum sodium measurement", "e. coli o157:h7",
)  # fmt: skip


def invented_names() -> tuple[str, ...]:
    """A fixed list of lowercase names, long and short, distinct and in a fixed order."""
    composed = (f"{how}{where} {what}" for how, where, what in product(_HOW, _WHERE, _WHAT))
    return tuple(dict.fromkeys((*_ALONE, *composed)))
