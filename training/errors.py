"""What can go wrong in training.

linker.errors.LinkerError
└── TrainingError   a run cannot start or go on; says what to do
"""

from __future__ import annotations

from linker.errors import LinkerError


class TrainingError(LinkerError):
    """A run cannot start or go on. What was whole before is whole still."""
