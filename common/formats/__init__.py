"""Image files in, arrays and headers out; never a socket or the store."""
