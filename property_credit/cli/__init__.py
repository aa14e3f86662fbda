"""The command line: reads arguments, calls the night and the packages, prints what they answer."""
