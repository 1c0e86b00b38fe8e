"""The conformance kit: hostile plugins, what must come of each, and a runner that looks at what really does."""
