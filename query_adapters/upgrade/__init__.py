"""A new embedding model on the index of an old one, without embedding the index again."""
