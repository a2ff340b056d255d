"""Transfer syntaxes (PS3.5 section 10 and annex A) that are told apart without pydicom."""

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

_NATIVE = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)
_STANDARD = "1.2.840.10008."


def is_encapsulated(syntax: str) -> bool:
    """Whether pixels are compressed, in fragments (PS3.5 A.4); no private syntax says so.

    Raises:
        ValueError: it is another kind of UID of the standard.
    """
    if syntax in _NATIVE or not syntax.startswith(_STANDARD):
        return False
    from pydicom.uid import UID

    return UID(syntax).is_encapsulated
