"""Train adapters for many datasets at once, such as tenants, with a map that they share."""
