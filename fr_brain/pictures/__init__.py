"""Pictures of reports: slices with the lesions outlined. Pure: arrays in, a PNG out."""
