"""The number formats a model is exported in."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """Number format of the exported weights and products."""

    INT8 = "int8"
    FP32 = "fp32"
