"""What changes, told to those who watch: see ``fr_hub.web.live.feed``."""
