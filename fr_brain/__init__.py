"""Fr-BRAIN: claims scans, analyses them, writes reports. Knows only the store."""
