"""The process that parses and decodes files, and the side that asks it."""
