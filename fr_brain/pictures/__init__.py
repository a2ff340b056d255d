"""Pictures of reports: slices with the lesions outlined. No I/O: arrays in, a PNG out."""
