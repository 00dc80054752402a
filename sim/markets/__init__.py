"""The markets agents meet in: models, funding, control."""
