"""Text of unknown origin: what is refused on the way in, and how it is shown on the way out."""
