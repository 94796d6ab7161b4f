"""Proves a draft: up, down and up again in a scratch database with the project's schema.

prover ─► source (the schema) ─► planting (rows) ─► trial (up, down, up) ─► comparing
             └─ copy, replay                          └─ confined, observing     └─ catalog, rows
"""
