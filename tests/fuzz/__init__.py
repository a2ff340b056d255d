"""A fuzz target for each parser: the wire, NIfTI, DICOM. `make fuzz` runs them."""
