"""Uploads: files that come over HTTP, and the scans in them."""
