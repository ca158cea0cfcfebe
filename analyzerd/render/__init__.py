"""Incidents to words: Slack blocks, terminal text, the week's report. Pure; every string in is hostile."""
