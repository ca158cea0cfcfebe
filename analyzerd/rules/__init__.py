"""Rules as data: what was seen (signals) and why (causes). Reads text, touches no files."""
