"""A synthetic region with a known truth: what offices would send, the dirt in it, and a manifest of both."""
