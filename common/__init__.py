"""What Fr-PACS, Fr-HUB and Fr-BRAIN share; it knows none of them."""
