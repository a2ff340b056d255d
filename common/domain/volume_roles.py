"""What a volume is for: the vocabulary of roles that scans carry and that VOLUMES names."""

VOLUME_ROLES = (
    *("anatomical", "unclassified", "localizer", "diffusion", "perfusion", "functional"),
    *("dynamic", "phase", "complex", "fieldmap", "derived"),
)
"""``dynamic`` is a volume of a series of many time points; ``unclassified`` one whose file does not
say what it is for."""
