"""Where a head and its lesions are: registration to a template, and regions."""
