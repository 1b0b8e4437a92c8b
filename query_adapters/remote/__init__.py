"""Adapter folders that lie elsewhere: in a registry, or on the Hugging Face Hub."""
