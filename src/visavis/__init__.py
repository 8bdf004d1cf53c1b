"""visavis: give any language model a face that people can talk to."""

__version__ = "0.1.0"
