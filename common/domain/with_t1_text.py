"""What a FLAIR scan shows together with the T1 scan of its study, as lines of a report's text."""

from collections.abc import Iterator

from common.domain.text_lines import fixed, in_ml, one_line, wrapped
from common.domain.with_t1 import WithT1

LESIONS_SHOWN = 5

_INDENT = "           "


def with_t1_lines(with_t1: WithT1) -> Iterator[str]:
    """The lines of a report's text about the T1 scan."""
    yield f"With T1:   scan {with_t1.t1_scan} of the same study"
    if with_t1.withheld is not None:
        yield wrapped(_INDENT, f"Not read together. {one_line(with_t1.withheld)}")
        return
    percent = with_t1.intracranial_difference_percent
    if with_t1.t1_intracranial_ml is not None and percent is not None:
        yield (
            f"{_INDENT}intracranial {in_ml(with_t1.t1_intracranial_ml)} on T1, "
            f"{fixed(abs(percent), 1)} % {'less' if percent < 0 else 'more'} than on FLAIR"
        )
    if with_t1.doubt is not None:
        yield wrapped(_INDENT, f"doubtful: {one_line(with_t1.doubt)}")
    if volumes := _volumes(with_t1):
        yield wrapped(_INDENT, f"volumes on T1 if lesions count as white matter: {volumes}")
    if with_t1.lesions:
        shown = [f"#{n.id} {fixed(100 * n.not_white)} %" for n in with_t1.lesions]
        if len(shown) > LESIONS_SHOWN:
            shown = [*shown[:LESIONS_SHOWN], f"{len(shown) - LESIONS_SHOWN} more in the JSON"]
        share = "share of each lesion that is not labelled white matter on T1"
        yield wrapped(_INDENT, f"{share}: {', '.join(shown)}")


def _volumes(with_t1: WithT1) -> str:
    named = (
        ("grey matter", with_t1.grey_matter_ml, with_t1.from_grey_matter_ml),
        ("white matter", with_t1.white_matter_ml, None),
        ("CSF", with_t1.csf_ml, with_t1.from_csf_ml),
    )
    return ", ".join(
        f"{name} {in_ml(ml)}{f' ({in_ml(less)} less than without)' if less else ''}"
        for name, ml, less in named
        if ml is not None
    )
