"""Transfer syntaxes are told apart as pydicom tells them."""

import pytest
from pydicom import uid
from pydicom._uid_dict import UID_dictionary

from common.formats.dicom import transfer_syntaxes as ours


def test_the_native_ones_are_those_of_the_standard() -> None:
    assert uid.ImplicitVRLittleEndian == ours.IMPLICIT_LITTLE
    assert uid.ExplicitVRLittleEndian == ours.EXPLICIT_LITTLE
    assert uid.ExplicitVRBigEndian == ours.EXPLICIT_BIG
    assert uid.DeflatedExplicitVRLittleEndian == ours.DEFLATED


def test_compressed_ones_are_those_of_pydicom() -> None:
    known = [one for one, what in UID_dictionary.items() if what[1] == "Transfer Syntax"]
    for syntax in known:
        assert ours.is_encapsulated(syntax) == uid.UID(syntax).is_encapsulated
    assert len(known) > 40


def test_private_ones_say_nothing_and_other_uids_are_wrong() -> None:
    assert not ours.is_encapsulated("1.2.3")
    assert not ours.is_encapsulated("")
    with pytest.raises(ValueError, match="transfer syntax"):
        ours.is_encapsulated(uid.MRImageStorage)
