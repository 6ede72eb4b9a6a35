"""The pages. Whatever changes something is a POST that leads back to a page, or 204 for a script."""
