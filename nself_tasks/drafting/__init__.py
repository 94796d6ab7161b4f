"""Drafts of migrations by a language model: what is sent, what comes back, how it is proven."""
