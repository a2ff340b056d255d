"""What changed since a subject's previous scan, as lines of a report's text."""

from collections.abc import Iterator

from common.domain.follow_up import ChangedLesion, FollowUp, LesionChange
from common.domain.text_lines import fixed, in_ml, one_line, place, wrapped

CHANGES_SHOWN = 5

_INDENT = "           "


def follow_up_lines(follow_up: FollowUp) -> Iterator[str]:
    """The lines of a report's text about the previous scan."""
    yield (
        f"Follow-up: previous scan {follow_up.previous_scan}, acquired "
        f"{follow_up.previous_acquired_at.date()}, {fixed(follow_up.days)} days earlier"
    )
    if follow_up.withheld is not None:
        yield wrapped(_INDENT, f"Not compared. {one_line(follow_up.withheld)}")
        return
    counts = [f"{getattr(follow_up, change)} {change}" for change in LesionChange]
    if follow_up.new and follow_up.new_ml is not None:
        counts[0] += f" ({in_ml(follow_up.new_ml)})"
    if follow_up.doubtful:
        counts.append(
            f"{follow_up.doubtful} more found in one scan only, possibly missed in the other"
        )
    yield wrapped(_INDENT, f"lesions: {', '.join(counts)}")
    changed = [one for one in follow_up.lesions if not one.doubtful]
    for lesion in changed[:CHANGES_SHOWN]:
        yield f"{_INDENT}{_changed(lesion)}"
    if follow_up.brain_change_percent is not None:
        error = (
            ""
            if follow_up.brain_error_percent is None
            else f" (±{fixed(follow_up.brain_error_percent, 1)} %, 95 % of synthetic pairs)"
        )
        sign = "-" if follow_up.brain_change_percent < 0 else "+"
        percent = fixed(abs(follow_up.brain_change_percent), 1)
        yield f"{_INDENT}brain volume {sign}{percent} %{error}"


def _changed(lesion: ChangedLesion) -> str:
    where = f"at {place(lesion.centroid_mm)} mm"
    if lesion.change is LesionChange.NEW:
        return f"new: {in_ml(lesion.volume_ml)} {where}"
    if lesion.change is LesionChange.GONE:
        return f"gone: {in_ml(lesion.previous_ml)} {where}"
    return f"{lesion.change}: from {in_ml(lesion.previous_ml)} to {in_ml(lesion.volume_ml)} {where}"
