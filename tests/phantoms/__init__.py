"""What makes the phantoms' anatomy."""
