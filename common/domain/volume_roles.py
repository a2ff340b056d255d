"""What a volume is for: the vocabulary of roles that scans carry and that VOLUMES names."""

VOLUME_ROLES = (
    *("anatomical", "unclassified", "localizer", "diffusion", "perfusion", "functional"),
    *("dynamic", "phase", "complex", "fieldmap", "derived"),
)
"""``dynamic`` is a volume of a series of many time points; ``unclassified`` one whose file does not
say what it is for."""

ROLE_WORDS = frozenset(
    {
        *("adc", "fa", "tensor", "trace", "real", "imaginary"),
        *("water", "fat", "in", "opposed", "phase"),
        *("echo", "inversion", "direction", "stack", "segment", "time", "volume"),
    }
)
"""The other words of a role, such as ``'anatomical, echo 2'``; b-values and numbers may follow."""
