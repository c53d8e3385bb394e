"""What the bundle's functions share."""

WORDS = "as shared"
