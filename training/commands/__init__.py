"""What each command does, once its options are parsed: gives an `Outcome`, prints nothing, reads no environment."""
