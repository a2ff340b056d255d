"""Electrocardiograms from files: each format to samples in millivolts."""
