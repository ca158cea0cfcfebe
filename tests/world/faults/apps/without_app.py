"""A module in which the application has another name."""

application = object()
