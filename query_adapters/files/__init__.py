"""Read files from strangers under limits, and replace files atomically."""
