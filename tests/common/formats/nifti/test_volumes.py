"""The volumes of a file, as its header describes them."""

import numpy as np

from tests.common.formats.nifti.nifti_files import Save, volumes_in


def test_a_later_volume_costs_the_slices_before_it(save: Save) -> None:
    found = volumes_in(save(np.zeros((2, 3, 4, 5), np.int16)))
    assert [volume.frames for volume in found] == [4, 8, 12, 16, 20]
    assert found[0].declared_bytes == 2 * 3 * 4 * 2
    assert (found[0].subject, found[0].acquired_at) == (None, None)
