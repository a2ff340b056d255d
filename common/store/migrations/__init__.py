"""Brings a database to the schema of this release: numbered steps, each repeatable, so that a kill
at any point loses nothing and the next run continues."""
