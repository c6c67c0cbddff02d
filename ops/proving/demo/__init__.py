"""The demo: the whole platform from nothing, real transactions through it, and what became of them."""
