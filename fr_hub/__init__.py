"""Fr-HUB: stores scans and acknowledges them, delivers reports. It alone knows wire and store."""
