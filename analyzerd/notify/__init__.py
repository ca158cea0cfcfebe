"""Brings what the outbox says to a sink: Slack by bot token, Slack by webhook, or a terminal."""
