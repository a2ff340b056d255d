"""Fr-PACS: streams brain scans to Fr-HUB and receives their reports. Knows only the wire."""
