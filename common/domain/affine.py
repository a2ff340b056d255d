"""The affine of an image: voxel indices to mm, RAS+.

Apart from ``types``, because the reader process starts faster without pydantic.
"""

AffineRow = tuple[float, float, float, float]
Affine = tuple[AffineRow, AffineRow, AffineRow]
