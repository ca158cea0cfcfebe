"""analyzerd: says why a Flask app on gunicorn behind nginx fails."""

__version__ = "0.1.0"
