"""Scans out of files: what Fr-PACS sends and what is uploaded, read by the same rules."""
