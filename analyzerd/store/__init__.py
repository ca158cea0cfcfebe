"""What must survive a kill -9, in one SQLite file: incidents, checkpoints, engine state, outbox."""
