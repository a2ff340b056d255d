"""The tables of ``http_api``."""

TABLES = """
CREATE TABLE scans (id text PRIMARY KEY, file bytea NOT NULL, at timestamptz DEFAULT now());
CREATE TABLE reports (id text PRIMARY KEY REFERENCES scans, report jsonb NOT NULL);
"""
