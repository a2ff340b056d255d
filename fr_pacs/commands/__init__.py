"""Commands that need the rules by which Fr-PACS makes ids and pseudonyms."""
