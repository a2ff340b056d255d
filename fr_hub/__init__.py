"""Fr-HUB: persists scans, then acknowledges them; sends reports back. Knows wire and store."""
