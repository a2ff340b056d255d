"""Fr's API and page: a process that knows the store and the formats, and never the wire."""
