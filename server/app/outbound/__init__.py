"""HTTP to addresses that a caller names: fetching images, delivering webhooks. The only way out of the server."""
