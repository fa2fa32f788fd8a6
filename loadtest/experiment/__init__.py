"""What takes one or several runs, each of them a subprocess."""
