"""Turns plans, reports and events into text and JSON; reads `model` only."""
