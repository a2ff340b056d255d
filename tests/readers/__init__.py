"""Compares what Fr reads with what dcm2niix and nibabel read, voxel for voxel."""
